"""The page of all notebooks for people who look first: titles, what each shows, and its pictures.

It is one file: pictures stand inside, so that it opens from disk and none can be missing.
"""

import html
import re

SHOWN = 'gallery'  # tag of the cells whose pictures are on the page
STYLE = """
body { font-family: Georgia, serif; line-height: 1.5; color: #222; background: #fbfaf7;
       max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: break-word; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
a { color: #0b5394; } code { font-size: 0.9em; }
nav ol { padding-left: 1.4rem; }
figure { margin: 1rem 0; } img { max-width: 100%; height: auto; display: block; }
.files { font-family: sans-serif; font-size: 0.85rem; color: #555; }
"""
INTRODUCTION = """Ten notebooks rerun the papers on Theano and Lasagne, today, with the network
that ships with the archive. Open one in Jupyter (<code>jupyter notebook notebooks/</code>) or read
its source; <code>python notebooks/run.py</code> runs them all again."""


def page_of(notebooks):
    """Write the page.

    Args:
        notebooks: name to notebook, with outputs.
    """
    links = [f'<li><a href="#{name}">{html.escape(title_of(notebook))}</a></li>'
             for name, notebook in notebooks.items()]
    parts = ['<!DOCTYPE html>', '<html lang="en"><head><meta charset="utf-8">',
             '<meta name="viewport" content="width=device-width, initial-scale=1">',
             f'<title>The papers, rerun</title><style>{STYLE}</style></head><body><main>',
             '<h1>The papers, rerun</h1>', f'<p>{INTRODUCTION}</p>',
             f'<nav><ol>{"".join(links)}</ol></nav>']
    for name, notebook in notebooks.items():
        parts += section_of(name, notebook)
    return '\n'.join([*parts, '</main></body></html>\n'])


def section_of(name, notebook):
    """List the lines of one notebook's part of the page."""
    title = html.escape(title_of(notebook))
    lines = [f'<section id="{name}"><h2>{title}</h2>',
             f'<p>{as_html(introduction_of(notebook))}</p>']
    for caption, kind, data in pictures_of(notebook):
        source = f'data:{kind};base64,{"".join(data.split())}'
        caption = html.escape(caption)
        lines.append(f'<figure><img src="{source}" alt="{caption}">'
                     f'<figcaption>{caption}</figcaption></figure>')
    return [*lines, f'<p class="files"><a href="{name}.ipynb">{name}.ipynb</a></p></section>']


def title_of(notebook):
    """A notebook's title: its first heading."""
    return notebook.cells[0].source.split('\n')[0].lstrip('# ')


def introduction_of(notebook):
    """The paragraph below a notebook's title."""
    return notebook.cells[0].source.split('\n\n')[1].replace('\n', ' ')


def pictures_of(notebook):
    """List (caption, media type, base64) of the pictures that cells for the gallery show."""
    found = []
    for cell in notebook.cells:
        if SHOWN not in cell.metadata.get('tags', ()):
            continue
        for output in cell.get('outputs', ()):
            for kind in ('image/jpeg', 'image/png'):
                if kind in output.get('data', {}):
                    caption = output.metadata.get(kind, {}).get('alt', '')
                    found.append((caption, kind, output.data[kind]))
    return found


def as_html(text):
    """A paragraph of Markdown as HTML: links, code and emphasis."""
    text = html.escape(text, quote=False)
    text = re.sub(r'\[([^]]+)\]\(([^)]+)\)', r'<a href="\2">\1</a>', text)
    text = re.sub(r'`([^`]+)`', r'<code>\1</code>', text)
    return re.sub(r'\*([^*]+)\*', r'<em>\1</em>', text)

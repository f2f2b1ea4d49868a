'use strict';
// The page of layer_features.py: one layer at a time. What is shown stands in the address, behind
// the #, so that a reload and the browser's way back keep it.

const tour = JSON.parse(document.getElementById('tour').textContent);
const by = id => document.getElementById(id);
let cards = [], open = 0;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function state() {
  const found = new URLSearchParams(location.hash.slice(1));
  const layer = tour.layers.find(one => one.name === found.get('layer')) || tour.layers[0];
  return { layer, search: found.get('search') || '' };
}

function address(layer, search) {
  return '#' + new URLSearchParams(search ? { layer, search } : { layer });
}

const wordsOf = search => search.toLowerCase().split(/[\s,]+/).filter(
    word => word && word !== 'channel');
const isNumber = word => /^\d+$/.test(word);

// A layer is found by parts of its name, and by the numbers of its channels.
function finds(layer, words) {
  return words.every(word => isNumber(word)
      ? layer.photos.some(photo => photo.features.some(one => String(one.channel) === word)) ||
        layer.name.toLowerCase().includes(word)
      : layer.name.toLowerCase().includes(word));
}

function matching(search) {
  const words = wordsOf(search);
  return tour.layers.filter(layer => finds(layer, words));
}

function told(layer, feature) {
  return `${layer.name}, channel ${feature.channel}: largest activation ` +
      `${feature.largest} at row ${feature.row}, column ${feature.column}; sum ${feature.sum}`;
}

function cardOf(layer, photo, feature, number) {
  const image = element('img', { src: feature.strip, loading: 'lazy', alt:
      `${photo.name}: what channel ${feature.channel} of ${layer.name} sees, what excites its ` +
      'strongest unit, and what excites the whole channel' });
  const card = element('button', { className: 'card', type: 'button' }, image,
      element('div', {}, element('b', { textContent: `${number}: channel ${feature.channel} ` }),
              element('small', { textContent:
                  `largest ${feature.largest}, sum ${feature.sum}` })));
  const box = element('div', { className: 'box' },
                      element('span', { textContent: number }));
  for (const side of ['top', 'left', 'width', 'height']) box.style[side] = `${feature[side]}%`;
  for (const name of ['mouseenter', 'focus']) card.addEventListener(name, () => mark(box, true));
  for (const name of ['mouseleave', 'blur']) card.addEventListener(name, () => mark(box, false));
  const at = cards.length;
  card.onclick = () => enlarge(at);
  cards.push({ card, image: feature.strip, words: `${photo.name}. ${told(layer, feature)}` });
  return [card, box];
}

function mark(box, on) {
  box.classList.toggle('on', on);
}

function photoOf(layer, photo, words) {
  const numbers = words.filter(word => isNumber(word) && !layer.name.toLowerCase().includes(word));
  const place = element('div', { className: 'place' },
      element('img', { src: photo.image, alt: `${photo.name}, with a box for each channel` }));
  const holder = element('div', { className: 'cards' });
  photo.features.forEach((feature, index) => {
    if (numbers.length && !numbers.includes(String(feature.channel))) return;
    const [card, box] = cardOf(layer, photo, feature, index + 1);
    place.append(box);
    holder.append(card);
  });
  if (!photo.features.length) {
    holder.append(element('p', { textContent: 'Every channel is zero on this photo.' }));
  }
  return element('section', {}, element('h3', { textContent: photo.name }),
                 element('div', { className: 'photo' }, place, holder));
}

function show() {
  const { layer, search } = state(), found = matching(search);
  by('search').value = search;
  for (const link of by('layers').querySelectorAll('a')) {
    const own = found.some(one => one.name === link.dataset.layer);
    link.parentElement.hidden = !own;
    link.href = address(link.dataset.layer, search);
    if (link.dataset.layer === layer.name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  by('told').textContent = `${found.length} of ${tour.layers.length} layers`;
  cards = [];
  by('shown').replaceChildren(
      element('h2', { textContent: layer.name }),
      element('p', { textContent: `A unit sees ${layer.sees} of the photo.` }),
      ...layer.photos.map(photo => photoOf(layer, photo, wordsOf(search))));
}

function enlarge(index) {
  open = (index + cards.length) % cards.length;
  by('large-image').src = cards[open].image;
  by('large-image').alt = by('large-caption').textContent = cards[open].words;
  if (!by('large').open) by('large').showModal();
}

function build() {
  document.title = by('title').textContent = `Layers of ${tour.model}`;
  by('method').textContent = tour.method;
  for (const layer of tour.layers) {
    const link = element('a', { href: address(layer.name, '') }, layer.name, ' ',
                         element('small', { textContent: layer.sees }));
    link.dataset.layer = layer.name;
    by('layers').append(element('li', {}, link));
  }
}

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (by('large').open) {
    if (event.key === 'ArrowLeft') enlarge(open - 1);
    if (event.key === 'ArrowRight') enlarge(open + 1);
    return;
  }
  if (event.target.matches('input')) return;
  if (event.key === '/') { event.preventDefault(); by('search').focus(); }
  if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
    const { layer, search } = state(), found = matching(search);
    const next = found[found.indexOf(layer) + (event.key === 'ArrowDown' ? 1 : -1)];
    if (next) { event.preventDefault(); location.hash = address(next.name, search); }
  }
});

by('search').oninput = event => {
  const search = event.target.value, { layer } = state(), found = matching(search);
  const next = found.includes(layer) || !found.length ? layer : found[0];
  history.replaceState(null, '', address(next.name, search));
  show();
};
by('before').onclick = () => enlarge(open - 1);
by('next').onclick = () => enlarge(open + 1);
by('close').onclick = () => by('large').close();
window.addEventListener('hashchange', () => { show(); window.scrollTo(0, 0); });

build();
show();

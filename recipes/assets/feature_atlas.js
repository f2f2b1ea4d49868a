'use strict';
// The page of feature_atlas.py. A choice is two sets: channels that are dropped, by
// "layer/channel", and motifs that are dropped as a whole, by "layer#motif". Dropping a motif drops
// its channels and has the places where it fires taken out of the picture.

const atlas = JSON.parse(document.getElementById('atlas').textContent);
const by = id => document.getElementById(id);
const STORE = `feature-atlas ${atlas.picture.pixels} ${atlas.model} ${atlas.picture.size} ` +
    atlas.layers.map(layer => layer.name).join();
const SWATCHES = { pink: '#e58fb0', red: '#cf3b32', orange: '#e58a2b', yellow: '#e6c93a',
                  green: '#4c9f50', cyan: '#3fb2b8', blue: '#3b62cf', purple: '#8a4fc0',
                  black: '#1c1c1f', grey: '#93969d', white: '#ffffff' };

const keyOf = channel => `${channel.layer}/${channel.channel}`;
const motifKey = motif => `${motif.layer}#${motif.motif}`;
const channels = new Map(atlas.channels.map(channel => [keyOf(channel), channel]));
const motifs = new Map(atlas.motifs.map(motif => [motifKey(motif), motif]));
for (const channel of atlas.channels) {
  channel.of = motifs.get(`${channel.layer}#${channel.motif}`);
  channel.words = [channel.layer, `motif#${channel.motif}`, `channel#${channel.channel}`,
                   String(channel.channel), channel.colour];
}

const nothing = { dropped: [], motifs: [], threshold: 30 };
let choice = {};
take(nothing);
const past = [], future = [];
const cards = new Map(), blocks = new Map(), sections = new Map();
const colours = new Set();
const HERE = 0.15;   // of its largest: what a motif has where it is listed as firing there
const STEP = 0.05;   // of the painting: what an arrow key moves the mark by
let shown = [];
const MIDDLE = { x: 0.5, y: 0.5 };
let place = null;    // on the painting, { x, y } of 0..1, whose motifs come first

// --- the choice ---------------------------------------------------------------------------------

function plain() {
  return { dropped: [...choice.dropped], motifs: [...choice.motifs], threshold: choice.threshold };
}

function take(found) {
  choice = { dropped: new Set(found.dropped), motifs: new Set(found.motifs),
             threshold: found.threshold };
}

function change(edit) {
  const before = plain();
  edit();
  past.push(before);
  future.length = 0;
  remember();
  redraw();
}

function undo() {
  if (!past.length) return;
  future.push(plain());
  take(past.pop());
  remember();
  redraw();
}

function redo() {
  if (!future.length) return;
  past.push(plain());
  take(future.pop());
  remember();
  redraw();
}

function toggleChannel(channel) {
  change(() => {
    const key = keyOf(channel);
    if (!choice.dropped.delete(key)) choice.dropped.add(key);
  });
}

function dropMotif(motif, drop) {
  if (drop) choice.motifs.add(motifKey(motif)); else choice.motifs.delete(motifKey(motif));
  for (const number of motif.channels) {
    const key = `${motif.layer}/${number}`;
    if (drop) choice.dropped.add(key); else choice.dropped.delete(key);
  }
}

function toggleMotif(motif) {
  change(() => dropMotif(motif, !choice.motifs.has(motifKey(motif))));
}

function remember() {
  try { localStorage.setItem(STORE, JSON.stringify(plain())); } catch (problem) { /* private */ }
}

const VIEW = ['search', 'layer', 'state', 'size-from', 'size-to', 'strength', 'zoom'];

function rememberView() {
  const view = Object.fromEntries(VIEW.map(id => [id, by(id).value]));
  try {
    localStorage.setItem(`${STORE} view`, JSON.stringify({ ...view, colours: [...colours] }));
  } catch (problem) { /* private */ }
}

function recallView() {
  let view = null;
  try { view = JSON.parse(localStorage.getItem(`${STORE} view`)); } catch (problem) { /* none */ }
  if (!view) return;
  for (const id of VIEW) if (view[id] !== undefined) by(id).value = view[id];
  for (const button of by('colours').children) {
    if (!(view.colours || []).includes(button.dataset.colour)) continue;
    colours.add(button.dataset.colour);
    button.ariaPressed = 'true';
  }
  zoom(by('zoom').value);
}

function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(STORE));
    if (kept) take({ dropped: kept.dropped.filter(key => channels.has(key)),
                     motifs: kept.motifs.filter(key => motifs.has(key)),
                     threshold: kept.threshold });
  } catch (problem) { /* nothing was kept, or it is of another page */ }
}

// --- export and import --------------------------------------------------------------------------

function selection() {
  const layers = {};
  for (const layer of atlas.layers) layers[layer.name] = { channels: layer.channels, dropped: [] };
  for (const key of choice.dropped) {
    const channel = channels.get(key);
    layers[channel.layer].dropped.push(channel.channel);
  }
  for (const layer of Object.values(layers)) layer.dropped.sort((a, b) => a - b);
  return { format: atlas.format, version: atlas.version, model: atlas.model,
           picture: { name: atlas.picture.name, pixels: atlas.picture.pixels },
           threshold: choice.threshold / 100, layers,
           motifs: [...choice.motifs].map(key => {
             const { layer, motif, channels, rows, columns, heat } = motifs.get(key);
             return { layer, motif, channels, rows, columns, heat };
           }) };
}

function save() {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([JSON.stringify(selection(), null, 1) + '\n'],
                                           { type: 'application/json' }));
  link.download = 'selection.json';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  tell('Saved selection.json; give it to styletransfer.py --features.', true);
}

function load(text) {
  let found;
  try { found = JSON.parse(text); } catch (problem) { found = null; }
  if (!found || found.format !== atlas.format) {
    return tell('This file is no selection; take a selection.json that this page exported.');
  }
  if (found.version !== atlas.version) return tell(`Version ${found.version} is not known here.`);
  if (found.model !== atlas.model) return tell(`It was made with ${found.model}.`);
  let missing = 0;
  const dropped = new Set(), whole = new Set();
  try {
    for (const [name, layer] of Object.entries(found.layers)) {
      for (const number of layer.dropped) {
        const key = `${name}/${number}`;
        if (channels.has(key)) dropped.add(key); else missing++;
      }
    }
    for (const motif of found.motifs) {
      const own = motifs.get(motifKey(motif));
      if (own && String(own.channels) === String(motif.channels)) whole.add(motifKey(motif));
      else missing++;
    }
  } catch (problem) { return tell('This file is no selection as this page exports it.'); }
  const threshold = Number(found.threshold) * 100;
  change(() => take({ dropped, motifs: whole,
                      threshold: threshold >= 5 && threshold <= 95 ? Math.round(threshold)
                          : nothing.threshold }));
  const other = found.picture && found.picture.pixels !== atlas.picture.pixels;
  if (missing) tell(`${missing} of its features are not in this atlas and were left out.`);
  else if (other) tell('It was made on another picture; look whether it fits.');
  else tell('Imported.', true);
}

function tell(words, good = false) {
  by('message').textContent = words;
  by('message').className = good ? 'good' : '';
}

// --- heat maps ----------------------------------------------------------------------------------

function bytesOf(map) {
  return map.bytes = map.bytes || Uint8Array.from(atob(map.heat), c => c.charCodeAt(0));
}

function canvasOf(map, paint) {
  const canvas = document.createElement('canvas');
  canvas.width = map.columns;
  canvas.height = map.rows;
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(map.columns, map.rows);
  bytesOf(map).forEach((level, index) => pixels.data.set(paint(level), 4 * index));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

const hot = level => [255, Math.max(0, 255 - level), 40, Math.min(230, level * 1.1)];

// Over the picture in its own colours: white alone would look like white paint.
function hatch() {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 8;
  const context = tile.getContext('2d');
  context.fillStyle = 'rgba(255, 255, 255, 0.88)';
  context.fillRect(0, 0, 8, 8);
  context.strokeStyle = '#b3261e';
  for (const start of [-8, 0, 8]) {
    context.moveTo(start, 8);
    context.lineTo(start + 8, 0);
  }
  context.stroke();
  return tile;
}

function clearHeat(threshold = choice.threshold) {
  const heat = by('heat');
  heat.width = atlas.picture.columns;
  heat.height = atlas.picture.rows;
  if (!by('masked').checked) return;
  const context = heat.getContext('2d'), limit = threshold / 100 * 255;
  const opaque = level => [0, 0, 0, level >= limit ? 255 : 0];
  for (const key of choice.motifs) {
    context.drawImage(canvasOf(motifs.get(key), opaque), 0, 0, heat.width, heat.height);
  }
  context.globalCompositeOperation = 'source-in';
  context.fillStyle = context.createPattern(hatch(), 'repeat');
  context.fillRect(0, 0, heat.width, heat.height);
}

function showHeat(map, words) {
  const heat = by('heat'), context = heat.getContext('2d');
  heat.width = atlas.picture.columns;
  heat.height = atlas.picture.rows;
  context.fillStyle = 'rgba(10, 12, 30, 0.45)';
  context.fillRect(0, 0, heat.width, heat.height);
  context.drawImage(canvasOf(map, hot), 0, 0, heat.width, heat.height);
  by('caption').textContent = words;
}

function leave() {
  clearHeat();
  by('caption').textContent = choice.motifs.size
      ? (by('masked').checked ? 'What is hatched is taken out of the picture.' : '')
      : choice.dropped.size
      ? 'Single features leave the style; only a whole motif is taken out of the picture too.'
      : 'Click on a place of the painting for the motifs that fire there. Point at a feature to ' +
        'see where it fires; a click drops it, another one keeps it.';
}

// --- the motifs of a place ----------------------------------------------------------------------

// A motif's level there, 0..1 of its largest; a position of the map to each side counts, because
// nobody points more finely.
function levelAt(motif, { x, y }) {
  const bytes = bytesOf(motif);
  const row = Math.min(motif.rows - 1, Math.floor(y * motif.rows));
  const column = Math.min(motif.columns - 1, Math.floor(x * motif.columns));
  let most = 0;
  for (let r = Math.max(0, row - 1); r <= Math.min(motif.rows - 1, row + 1); r++) {
    for (let c = Math.max(0, column - 1); c <= Math.min(motif.columns - 1, column + 1); c++) {
      most = Math.max(most, bytes[r * motif.columns + c]);
    }
  }
  return most / 255;
}

function goTo(found) {
  const focused = document.activeElement;
  place = found;
  listPlace();
  filter();
  if (found) by('there').scrollIntoView();
  else if (focused === by('all')) by('place').focus();  // the button is gone
  else if (focused.closest('.motif')) focused.focus();  // a block that moves loses it
}

// The blocks themselves move: what is dropped, drawn or focused in them stays so.
function listPlace() {
  for (const [key, block] of blocks) {
    block.classList.remove('here');
    block.querySelector('.level').textContent = '';
    sections.get(motifs.get(key).layer).querySelector('.motifs').append(block);
  }
  by('there-head').hidden = by('mark').hidden = !place;
  if (!place) return;
  by('mark').style.left = `${100 * place.x}%`;
  by('mark').style.top = `${100 * place.y}%`;
  const found = atlas.motifs.map(motif => [levelAt(motif, place), motif])
      .filter(([level]) => level >= HERE).sort((a, b) => b[0] - a[0]);
  for (const [level, motif] of found) {
    const block = blocks.get(motifKey(motif));
    block.classList.add('here');
    block.querySelector('.level').textContent =
        `fires here with ${Math.round(100 * level)} % of its largest`;
    by('there-motifs').append(block);
  }
}

// How many motifs of the place pass the filters, in words, once those are known.
function tellPlace() {
  if (!place) { by('there-told').textContent = ''; return; }
  const all = [...by('there-motifs').children], seen = all.filter(block => !block.hidden).length;
  by('there-told').textContent = `${Math.round(100 * place.x)} % from the left, ` +
      `${Math.round(100 * place.y)} % from the top: ` +
      (all.length ? `${all.length} ${all.length === 1 ? 'motif fires' : 'motifs fire'} here, the ` +
          'strongest first' + (seen < all.length ? `; ${seen} shown` : '')
          : 'no motif fires here');
}

const told = channel => `${channel.layer}, channel ${channel.channel}: ${channel.colour}, ` +
    `fires in places about ${Math.round(channel.extent)} pixels across, strength ` +
    `${Math.round(100 * channel.strength)} %`;

// --- building -----------------------------------------------------------------------------------

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const watcher = new IntersectionObserver(entries => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    const channel = channels.get(entry.target.dataset.key);
    if (channel) entry.target.querySelector('img').src = channel.strip;
    const motif = motifs.get(entry.target.dataset.motif);
    if (motif) {
      by('picture').decode().then(() => drawThumbnail(entry.target.querySelector('canvas'), motif));
    }
  }
}, { rootMargin: '600px' });

// The painting, pale, and over it where the motif fires.
function drawThumbnail(small, motif) {
  small.width = 2 * motif.columns;
  small.height = 2 * motif.rows;
  const context = small.getContext('2d');
  context.drawImage(by('picture'), 0, 0, small.width, small.height);
  context.fillStyle = 'rgba(255, 255, 255, 0.7)';
  context.fillRect(0, 0, small.width, small.height);
  context.drawImage(canvasOf(motif, hot), 0, 0, small.width, small.height);
}

function buildCard(channel) {
  const image = element('img', { alt: told(channel), decoding: 'async' });
  const bar = element('div', { className: 'bar' });
  bar.style.width = `${Math.max(2, 100 * channel.strength)}%`;
  const dot = element('span', { className: 'dot' });
  dot.style.background = channel.hex;
  const tick = element('input', { type: 'checkbox', tabIndex: -1, checked: true,
                                  ariaLabel: `keep channel ${channel.channel}` });
  const card = element('div', { className: 'card', tabIndex: 0, title: told(channel) }, image, bar,
                       element('div', { className: 'told' }, dot,
                               element('b', { textContent: channel.channel }), tick));
  card.dataset.key = keyOf(channel);
  watcher.observe(card);
  return card;
}

function buildMotif(motif) {
  const toggle = element('button', { className: 'toggle' });
  toggle.onclick = () => toggleMotif(motif);
  const words = `${motif.layer}, motif ${motif.motif} (${motif.title}): ` +
      `${motif.channels.length} channels`;
  const header = element('header', {},
                         element('canvas', { role: 'img', ariaLabel: `where ${words} fire` }),
                         element('h3', { textContent: motif.title }, element('small', {}),
                                 element('small', { className: 'level' })), toggle);
  header.onmouseenter = () => showHeat(motif, words);
  header.onmouseleave = leave;
  header.onclick = event => { if (event.target !== toggle) showHeat(motif, words); };
  const holder = element('div', { className: 'cards' });
  const own = motif.channels.map(number => channels.get(`${motif.layer}/${number}`));
  own.sort((a, b) => b.strength - a.strength);
  for (const channel of own) {
    const card = buildCard(channel);
    cards.set(keyOf(channel), card);
    holder.append(card);
  }
  const block = element('div', { className: 'motif' }, header, holder);
  block.dataset.motif = motifKey(motif);
  watcher.observe(block);
  blocks.set(motifKey(motif), block);
  return block;
}

function build() {
  by('picture').src = atlas.picture.image;
  by('stage').style.setProperty('--shape', atlas.picture.columns / atlas.picture.rows);
  document.title = `Feature atlas of ${atlas.picture.name}`;
  for (const layer of [...atlas.layers].reverse()) {  // the deep ones have the shapes
    const section = element('section', {}, element('h2', { textContent: layer.name },
        element('small', { textContent: `a unit sees ${layer.field.join(' × ')} pixels` })));
    section.dataset.layer = layer.name;
    const holder = element('div', { className: 'motifs' });
    for (const motif of atlas.motifs) {
      if (motif.layer === layer.name) holder.append(buildMotif(motif));
    }
    section.append(holder);
    sections.set(layer.name, section);
    if (layer.silent.length) {
      section.append(element('p', { className: 'silent', textContent:
          `Never fire in this picture: channels ${layer.silent.join(', ')}. They stay in the ` +
          'style, and keep out of the result what the picture does not have.' }));
    }
    by('main').append(section);
    by('layer').append(element('option', { value: layer.name, textContent: layer.name }));
  }
  by('layer').prepend(element('option', { value: '', textContent: 'all layers', selected: true }));
  const present = new Set(atlas.channels.map(channel => channel.colour));
  for (const name of Object.keys(SWATCHES).filter(name => present.has(name))) {
    const dot = element('span', { className: 'dot' });
    dot.style.background = SWATCHES[name];
    const button = element('button', { ariaPressed: 'false' }, dot, name);
    button.dataset.colour = name;
    button.onclick = () => {
      if (!colours.delete(name)) colours.add(name);
      button.ariaPressed = String(colours.has(name));
      filter();
    };
    by('colours').append(button);
  }
  const largest = Math.ceil(Math.max(...atlas.channels.map(channel => channel.extent)));
  for (const id of ['size-from', 'size-to']) by(id).max = largest;
  by('size-from').value = 0;
  by('size-to').value = largest;
}

// --- what is shown ------------------------------------------------------------------------------

function passes(channel) {
  const words = by('search').value.toLowerCase().replace(/\b(motif|channel)\s+(\d+)/g, '$1#$2')
      .split(/[\s,]+/).filter(word => word);
  const state = by('state').value;
  return (!by('layer').value || channel.layer === by('layer').value) &&
      (!state || (state === 'dropped') === choice.dropped.has(keyOf(channel))) &&
      (!colours.size || colours.has(channel.colour)) &&
      channel.extent >= by('size-from').value && Math.floor(channel.extent) <= by('size-to').value &&
      100 * channel.strength >= by('strength').value &&
      words.every(word => /^(\w+#)?\d+$/.test(word)
          ? channel.words.includes(word) : channel.words.some(own => own.includes(word)));
}

function filter() {
  by('size-from-told').textContent = `${by('size-from').value} px`;
  by('size-to-told').textContent = `${by('size-to').value} px`;
  by('strength-told').textContent = `${by('strength').value} %`;
  shown = [];
  const seen = new Set();
  for (const card of document.querySelectorAll('.card')) {  // in the order of the page
    const channel = channels.get(card.dataset.key), visible = passes(channel);
    card.hidden = !visible;
    if (visible) {
      shown.push(card);
      seen.add(motifKey(channel.of));
      seen.add(channel.layer);
    }
  }
  for (const [key, block] of blocks) block.hidden = !seen.has(key);
  for (const [name, section] of sections) section.hidden = !seen.has(name);
  tellPlace();
  by('nothing').hidden = shown.length > 0;
  count();
  rememberView();
}

function count() {
  const all = channels.size, dropped = choice.dropped.size;
  by('count').textContent = `${all - dropped} of ${all} features kept, ` +
      `${choice.motifs.size} ${choice.motifs.size === 1 ? 'motif' : 'motifs'} dropped` +
      (shown.length < all ? `; ${shown.length} shown` : '');
}

function redraw() {
  for (const [key, card] of cards) {
    const dropped = choice.dropped.has(key);
    card.classList.toggle('dropped', dropped);
    card.querySelector('input').checked = !dropped;
  }
  for (const [key, block] of blocks) {
    const motif = motifs.get(key), dropped = choice.motifs.has(key);
    const left = motif.channels.filter(n => !choice.dropped.has(`${motif.layer}/${n}`)).length;
    block.classList.toggle('dropped', dropped);
    block.querySelector('.toggle').textContent = dropped ? 'Keep motif' : 'Drop motif';
    block.querySelector('.toggle').ariaPressed = String(dropped);
    block.querySelector('h3 small').textContent =
        `${motif.layer}, motif ${motif.motif}, ${left} of ${motif.channels.length} kept`;
  }
  by('undo').disabled = !past.length;
  by('redo').disabled = !future.length;
  by('reset').disabled = !choice.dropped.size && !choice.motifs.size &&
      choice.threshold === nothing.threshold;
  by('threshold').value = choice.threshold;
  by('threshold-told').textContent = `${choice.threshold} %`;
  if (by('state').value) filter(); else count();
  leave();
}

function enlarge(channel) {
  by('large-image').src = channel.strip;
  by('large-caption').textContent = told(channel);
  by('large').showModal();
}

function zoom(pixels) {
  by('zoom').value = pixels;
  document.documentElement.style.setProperty('--tile', `${by('zoom').value}px`);
}

// --- hands --------------------------------------------------------------------------------------

function cardOf(event) {
  const card = event.target.closest && event.target.closest('.card');
  return card && [card, channels.get(card.dataset.key)];
}

by('main').addEventListener('click', event => {
  const found = cardOf(event);
  if (!found) return;
  found[0].focus();
  if (event.pointerType === 'touch' && event.target.tagName !== 'INPUT') {
    return showHeat(found[1], told(found[1]));  // a finger cannot point without a tap
  }
  if (event.target.tagName !== 'IMG' || event.detail === 1) toggleChannel(found[1]);
  else if (event.detail === 2) {
    undo();  // what the first of the two clicks did
    future.length = 0;
    redraw();
    enlarge(found[1]);
  }
});
for (const name of ['mouseover', 'focusin']) {
  by('main').addEventListener(name, event => {
    const found = cardOf(event);
    if (found) showHeat(found[1], told(found[1]));
  });
}
by('main').addEventListener('mouseout', event => {
  const found = cardOf(event);
  if (found && !found[0].contains(event.relatedTarget)) leave();
});

function move(card, key) {
  const at = shown.indexOf(card);
  if (key === 'ArrowLeft') return shown[Math.max(0, at - 1)];
  if (key === 'ArrowRight') return shown[Math.min(shown.length - 1, at + 1)];
  const own = card.getBoundingClientRect(), down = key === 'ArrowDown';
  const order = down ? shown.slice(at + 1) : shown.slice(0, at).reverse();
  let best = null, row = null;
  for (const other of order) {
    const place = other.getBoundingClientRect();
    if (down ? place.top < own.bottom : place.bottom > own.top) continue;
    if (row === null) row = place.top;
    if (Math.abs(place.top - row) > 2) break;
    const away = Math.abs(place.left - own.left);
    if (!best || away < best[0]) best = [away, other];
  }
  return best ? best[1] : card;
}

// Move the mark on the painting as an arrow key says, and tell whether it was one.
function moveMark(key) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!steps[key]) return false;
  const within = value => Math.min(1, Math.max(0, value)), from = place || MIDDLE;
  goTo({ x: within(from.x + STEP * steps[key][0]), y: within(from.y + STEP * steps[key][1]) });
  return true;
}

by('place').onclick = event => {
  const box = by('place').getBoundingClientRect();
  goTo(event.detail === 0 ? place || MIDDLE  // Enter or Space
      : { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height });
};
by('all').onclick = () => goTo(null);

document.addEventListener('keydown', event => {
  const typing = event.target.matches('input[type=search], select, input[type=range]');
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z' &&
      !event.target.matches('input[type=search]')) {
    event.preventDefault();
    if (event.shiftKey) redo(); else undo();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || by('large').open) return;
  if (event.key === '/') { event.preventDefault(); by('search').focus(); return; }
  if (event.key === '+' || event.key === '=') { zoom(Number(by('zoom').value) + 20); return; }
  if (event.key === '-') { zoom(Number(by('zoom').value) - 20); return; }
  const found = cardOf(event);
  if (event.key.startsWith('Arrow') && (found || event.target === document.body)) {
    event.preventDefault();
    const next = found ? move(found[0], event.key) : shown[0];
    if (next) { next.focus(); next.scrollIntoView({ block: 'nearest' }); }
    return;
  }
  if (event.target === by('place') && moveMark(event.key)) event.preventDefault();
  if (event.key === 'Escape' && place) goTo(null);
  if (!found) return;
  if (event.key === ' ') { event.preventDefault(); toggleChannel(found[1]); }
  if (event.key.toLowerCase() === 'm') toggleMotif(found[1].of);
  if (event.key === 'Enter') enlarge(found[1]);
  if (event.key === ' ' || event.key.toLowerCase() === 'm') {
    showHeat(found[1], told(found[1]));
  }
});

by('undo').onclick = undo;
by('redo').onclick = redo;
by('reset').onclick = () => change(() => take(nothing));
by('export').onclick = save;
by('import').onclick = () => by('file').click();
by('file').onchange = async event => {
  const [file] = event.target.files;
  if (file) load(await file.text());
  event.target.value = '';
};
for (const id of ['search', 'layer', 'state', 'size-from', 'size-to', 'strength']) {
  by(id).oninput = filter;
}
by('clear').onclick = () => {
  place = null;
  listPlace();
  for (const id of ['search', 'layer', 'state']) by(id).value = '';
  by('size-from').value = 0;
  by('size-to').value = by('size-to').max;
  by('strength').value = 0;
  colours.clear();
  for (const button of by('colours').children) button.ariaPressed = 'false';
  filter();
};
by('threshold').oninput = event => {
  by('threshold-told').textContent = `${event.target.value} %`;
  clearHeat(Number(event.target.value));
};
by('threshold').onchange = event => change(() => { choice.threshold = Number(event.target.value); });
by('masked').onchange = leave;
by('zoom').oninput = event => { zoom(event.target.value); rememberView(); };
by('large').onclick = () => by('large').close();

build();
recall();
recallView();
redraw();
filter();

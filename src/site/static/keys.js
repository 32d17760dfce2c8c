// Hot keys, and the dialog that lists them.
import { $ } from "./page.js";

const SETTING = 'framecast.keys';
const TYPING = 'input:not([type=checkbox]), textarea, select, [contenteditable]';
const PRESSED_BY_SPACE = 'a, button, summary, input';

let isOn = true;

function remembered(value) {
  try {
    if (value !== undefined) localStorage.setItem(SETTING, value);
    return localStorage.getItem(SETTING);
  } catch {
    return null;
  }
}

// Returns the name of a pressed key as in the list: 'Shift+R', 'Space', '?'.
function nameOf({ key, shiftKey }) {
  if (key === ' ') return 'Space';
  const name = key.length === 1 ? key.toUpperCase() : key;
  return shiftKey && /^[A-Z]$/.test(name) ? `Shift+${name}` : name;
}

function fill(list, keys) {
  for (const { keys: names, shown = names, does } of keys) {
    const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
    dt.append(...shown.map((name) => Object.assign(document.createElement('kbd'), { textContent: name })));
    dd.textContent = does;
    list.append(dt, dd);
  }
}

// Handles `keys`, a list of { keys, does, run }: `keys` are names, and `run` is called with the pressed one. The dialog
// lists them as `shown`, if given.
export function listen(keys) {
  const dialog = $('#keys');
  const toggle = () => (dialog.open ? dialog.close() : dialog.showModal());
  const all = [...keys, { keys: ['?'], does: 'Show or hide this list', run: toggle }];
  fill($('dl', dialog), all);
  isOn = remembered() !== 'off';
  const box = $('input', dialog);
  box.checked = isOn;
  box.onchange = () => remembered((isOn = box.checked) ? 'on' : 'off');
  $('#help').onclick = toggle;
  addEventListener('keydown', (event) => {
    if (!isOn || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const name = nameOf(event);
    if (event.target.matches?.(TYPING) || (name === 'Space' && event.target.matches?.(PRESSED_BY_SPACE))) return;
    if (dialog.open && name !== '?') return;
    const found = all.find(({ keys }) => keys.includes(name));
    if (!found || (event.repeat && name !== 'ArrowLeft' && name !== 'ArrowRight')) return;
    event.preventDefault();
    found.run(name);
  });
}

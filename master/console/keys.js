// Keys: single letters outside of fields, g and a letter for the pages. A page brings its own; they can be turned off.

const everywhere = {};
let ofPage = {};
let waitsForPlace = 0;

export function always(more) {
  Object.assign(everywhere, more);
}

export function take(more) {
  ofPage = more;
}

export function forget() {
  ofPage = {};
}

export const isOff = () => localStorage.getItem('dts.keys') === 'off';

function isTyping(node) {
  return (
    node instanceof HTMLElement &&
    (node.isContentEditable || (/^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName) && !/^(checkbox|radio|button)$/.test(node.type)))
  );
}

/** places: what follows g. */
export function startKeys(places, go) {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector('dialog[open]')) return;
    const name = (event.ctrlKey || event.metaKey ? 'ctrl-' : '') + (event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (event.altKey || (isTyping(event.target) && !name.startsWith('ctrl-') && event.key !== 'Escape')) return;
    if (isOff() && !name.startsWith('ctrl-') && event.key.length === 1) return;
    if (document.querySelector('.dlg, .menu')) return;
    if (event.key === 'Enter' && event.target.closest?.('a, button, summary, [role=button]')) return;
    if (performance.now() < waitsForPlace) {
      waitsForPlace = 0;
      const place = places.find((one) => one.key === name);
      if (place) {
        event.preventDefault();
        go(place.path);
        return;
      }
    }
    if (name === 'g') {
      waitsForPlace = performance.now() + 1500;
      event.preventDefault();
      return;
    }
    const act = ofPage[name] ?? everywhere[name];
    if (act && act(event) !== false) event.preventDefault();
  });
}

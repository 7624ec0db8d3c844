// formula.js: formulas as MathML, from a short notation close to TeX:
//   a_b  a^b  a_b^c  {group}  \frac{a}{b}  \sqrt{a}  \hat{a}  \text{words}  \lit{name}{part}  \big( \big)
// Letters become identifiers, digits numbers, everything else operators; Greek letters, ⊤ and the like are written as
// themselves. \lit marks a part that is lit together with the pictures of the same name (espalier.light).
espalier.formula = (() => {
  const space = 'http://www.w3.org/1998/Math/MathML';
  const node = (tag, attributes, ...children) => {
    const made = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const row = (parts) => (parts.length === 1 ? parts[0] : node('mrow', {}, ...parts));

  const words = new Set(['log', 'min', 'diag']); // upright, and one identifier

  function parser(source, block) {
    const tokens = source.match(/\\[a-zA-Z]+|log|min|diag|[0-9]+(?:\.[0-9]+)?|\s+|./gsu);
    let at = 0;
    const skip = () => {
      while (at < tokens.length && /^\s+$/.test(tokens[at])) ++at;
    };
    const raw = () => {
      // the text of a {group}, as it stands
      skip();
      if (tokens[at++] !== '{') throw new Error(`formula: { expected in ${source}`);
      let text = '';
      for (let depth = 1; at < tokens.length; ++at) {
        if (tokens[at] === '{') ++depth;
        if (tokens[at] === '}' && --depth === 0) {
          ++at;
          return text;
        }
        text += tokens[at];
      }
      throw new Error(`formula: } is missing in ${source}`);
    };
    const group = () => row(parser(raw(), block).list());

    const commands = {
      frac: () => node('mfrac', {}, group(), group()),
      sqrt: () => node('msqrt', {}, group()),
      hat: () => node('mover', { accent: 'true' }, group(), node('mo', { stretchy: 'false' }, '^')),
      text: () =>
        node(
          'mtext',
          {},
          raw().replace(/^ +| +$/g, (gap) => '\u00a0'.repeat(gap.length)),
        ),
      big: () => {
        skip();
        return node('mo', { stretchy: 'true', minsize: '1.6em' }, tokens[at++]);
      },
      lit: () => {
        const name = raw();
        return node('mrow', { class: 'lit', 'data-lit': name }, group());
      },
    };
    /** An atom without its indices. */
    const atom = () => {
      const token = tokens[at];
      if (token === '{') return group();
      ++at;
      if (token[0] === '\\') {
        const command = commands[token.slice(1)];
        if (!command) throw new Error(`formula: no command ${token} in ${source}`);
        return command();
      }
      if (/^[0-9]/.test(token)) return node('mn', {}, token);
      if (words.has(token))
        return node('mo', { lspace: '0.1em', rspace: token === 'diag' ? '0' : '0.17em', movablelimits: 'false' }, token);
      if (token === 'Σ') return node('mo', { largeop: block ? 'true' : 'false', movablelimits: block ? 'false' : 'true' }, '∑');
      if (/^\p{L}$/u.test(token)) return node('mi', {}, token);
      if (token === '-') return node('mo', {}, '−');
      if ('()[]|‖{}'.includes(token)) return node('mo', { stretchy: 'false', lspace: '0', rspace: '0' }, token);
      return node('mo', token === '⊤' || token === '½' || token === '∞' ? { lspace: '0', rspace: '0' } : {}, token);
    };
    const list = () => {
      const parts = [];
      for (skip(); at < tokens.length; skip()) {
        const base = atom();
        let sub = null,
          sup = null;
        for (skip(); tokens[at] === '_' || tokens[at] === '^'; skip()) {
          const which = tokens[at++];
          skip();
          if (which === '_') sub = atom();
          else sup = atom();
        }
        const limits = block && /^(∑|min)$/.test(base.textContent);
        if (limits && sup) parts.push(node('munderover', {}, base, sub, sup));
        else if (limits && sub) parts.push(node('munder', {}, base, sub));
        else if (sub && sup) parts.push(node('msubsup', {}, base, sub, sup));
        else if (sub) parts.push(node('msub', {}, base, sub));
        else if (sup) parts.push(node('msup', {}, base, sup));
        else parts.push(base);
      }
      return parts;
    };
    return { list };
  }

  /** The formula as an element: on a line of its own if `block`. */
  function formula(source, { block = false } = {}) {
    const math = node('math', { display: block ? 'block' : 'inline' }, ...parser(source, block).list());
    if (!block) return math;
    return espalier.element('div', { class: 'formula', tabindex: '0', role: 'group', 'aria-label': 'formula' }, math);
  }
  return formula;
})();

/** A paragraph in which $...$ are formulas, `...` is code and **...** is emphasised. */
espalier.prose = (container, text, tag = 'p') => {
  const made = espalier.element(tag, {});
  for (const part of text.split(/(\$[^$]+\$|`[^`]+`|\*\*[^*]+\*\*)/)) {
    if (part.startsWith('$')) made.append(espalier.formula(part.slice(1, -1)));
    else if (part.startsWith('**')) made.append(espalier.element('em', {}, part.slice(2, -2)));
    else if (part.startsWith('`')) made.append(espalier.element('code', {}, part.slice(1, -1)));
    else made.append(part);
  }
  container.append(made);
  return made;
};

/** Inside `figure`, parts of formulas and pictures that carry the same data-lit are lit together while one is pointed at or
 *  has the focus; `name` null: none. */
espalier.light = (figure) => {
  const on = (name) => {
    for (const part of figure.querySelectorAll('[data-lit]')) part.classList.toggle('lit-on', part.getAttribute('data-lit') === name);
  };
  const of = (event) => event.target.closest?.('[data-lit]')?.getAttribute('data-lit') ?? null;
  figure.addEventListener('pointerover', (event) => on(of(event)));
  figure.addEventListener('pointerleave', () => on(null));
  figure.addEventListener('focusin', (event) => on(of(event)));
  figure.addEventListener('focusout', () => on(null));
  return on;
};

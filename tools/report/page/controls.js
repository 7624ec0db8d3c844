// controls.js: tables, choices and sliders, all of them plain HTML elements: keyboard and screen readers work by themselves.
Object.assign(espalier, (() => {
  const { element } = espalier;
  let controls = 0;
  const labelled = (container, label, input, more = []) => {
    input.id = `control-${++controls}`;
    const field = element('div', { class: 'field' }, element('label', { for: input.id }, label), input, ...more);
    container.append(field);
    return field;
  };

  /**
   * A table that scrolls sideways where the page is narrow.
   *   columns: [{name, title, about: shown while the title is pointed at, format: value -> text, numeric: right-aligned,
   *             minor: left out on a phone}];
   *   rows: objects by column name
   */
  function table(container, { caption, columns, rows }) {
    const looks = (column) => [column.numeric ? 'numeric' : null, column.minor ? 'minor' : null].filter(Boolean).join(' ') || null;
    const cell = (column, row) => {
      const value = row[column.name];
      const plain = value !== null && typeof value === 'object' ? JSON.stringify(value) : value ?? '–';
      const text = column.format ? column.format(value, row) : plain;
      return element('td', { class: looks(column) }, text instanceof Node ? text : String(text));
    };
    const made = element('table', {},
      caption ? element('caption', {}, caption) : null,
      element('thead', {}, element('tr', {}, columns.map((c) => element('th', { scope: 'col', title: c.about, class: looks(c) }, c.title ?? c.name)))),
      element('tbody', {}, rows.map((row) => element('tr', { class: row.emphasis ? 'emphasis' : null }, columns.map((c) => cell(c, row))))));
    const scroller = element('div', { class: 'scroller', tabindex: '0', role: 'region', 'aria-label': caption || 'table' }, made);
    container.append(scroller);
    return made;
  }

  /** One of several: options [{value, label}] or texts; onChange(value). Returns the select element. */
  function choice(container, { label, options, value, onChange }) {
    const list = options.map((o) => (typeof o === 'object' ? o : { value: o, label: o }));
    const input = element('select', { on: { change: () => onChange(list[input.selectedIndex].value) } },
      list.map((o) => element('option', { selected: o.value === value }, o.label)));
    labelled(container, label, input);
    return input;
  }

  /** A number between min and max; onInput(number) while it moves. Returns {input, set(value)}. */
  function slider(container, { label, min, max, step, value, format = (v) => espalier.format.number(v), onInput }) {
    const shown = element('output', {}, format(value));
    const input = element('input', { type: 'range', min, max, step, value });
    const update = () => {
      shown.textContent = format(input.valueAsNumber);
      input.setAttribute('aria-valuetext', shown.textContent);
    };
    input.addEventListener('input', () => { update(); onInput(input.valueAsNumber); });
    labelled(container, label, input, [shown]);
    update();
    return { input, set: (v) => { input.value = v; update(); } };
  }

  /** A row of fields above what they control. */
  function toolbar(container) {
    const made = element('div', { class: 'toolbar' });
    container.append(made);
    return made;
  }

  return { table, choice, slider, toolbar };
})());

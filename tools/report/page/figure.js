// figure.js: what every chart and picture has around it: heading, how to read it, its numbers, and both as files.
espalier.charts = [];

/**
 * A figure without its plot.
 *   title, guide: heading, and a sentence or two on how to read it
 *   name: letters, digits, "_" and "-": names the downloads
 *   columns: names in the order of table and CSV; default: as they appear in the rows
 *   image(): a promise of a canvas, for the PNG
 * Returns {figure, host, rows, empty()}: `host` takes the plot, `rows` may be replaced; empty() says that there is nothing.
 */
espalier.figure = (container, { title, guide, name, rows, columns, image }) => {
  const { element, format } = espalier;
  const safe = `${name}`.replace(/[^A-Za-z0-9_-]/g, '_');
  const heading = element('h3', { id: `chart-${safe}-${espalier.charts.length}` }, title);
  const host = element('div', { class: 'plot' }), tools = element('div', { class: 'tools' });
  const made = { name, title, guide, rows, host,
    figure: element('figure', { class: 'chart', 'data-chart': name, 'aria-labelledby': heading.id },
      element('figcaption', {}, heading, element('p', { class: 'guide' }, guide)), host, tools) };
  const names = () => columns || [...new Set(made.rows.flatMap((row) => Object.keys(row)))];
  const savePng = async () => (await image()).toBlob((blob) => espalier.download(`${safe}.png`, blob), 'image/png');
  const saveCsv = () => espalier.download(`${safe}.csv`, new Blob([espalier.csv(names(), made.rows)], { type: 'text/csv' }));

  const numbers = element('details', { class: 'numbers' }, element('summary', {}, 'Numbers'));
  numbers.addEventListener('toggle', () => {
    [...numbers.children].slice(1).forEach((child) => child.remove());
    if (!numbers.open) return;
    const most = 300, shown = made.rows.slice(0, most);
    const numeric = (column) => shown.some((row) => typeof row[column] === 'number');
    espalier.table(numbers, { caption: title, rows: shown,
      columns: names().map((column) => ({ name: column, numeric: numeric(column), format: (v) => (typeof v === 'number' ? format.number(v, 6) : v ?? '–') })) });
    if (made.rows.length > most) espalier.notice(numbers, `The first ${most} of ${made.rows.length} rows; the CSV has all.`);
  });
  container.append(made.figure);
  espalier.charts.push(made);
  if (rows.length === 0) {
    espalier.notice(host, 'Nothing to draw: the run has no numbers for this chart.');
    return made;
  }
  tools.append(element('button', { type: 'button', on: { click: savePng }, 'aria-label': `Save as PNG: ${title}` }, 'PNG'),
    element('button', { type: 'button', on: { click: saveCsv }, 'aria-label': `Save as CSV: ${title}` }, 'CSV'), numbers);
  return made;
};

/** Calls redraw() when the host's width or the theme changes, as long as the host is on the page. */
espalier.follow = (host, redraw) => {
  let width = Math.floor(host.clientWidth), busy = false, again = false;
  const follow = async () => {  // one redraw at a time, and one more if something changed meanwhile
    again = true;
    if (busy) return;
    busy = true;
    while (again && host.isConnected) {
      again = false;
      await redraw();
    }
    busy = false;
  };
  espalier.onTheme(follow);
  new ResizeObserver(() => {
    const now = Math.floor(host.clientWidth);
    if (now > 0 && now !== width) { width = now; follow(); }
  }).observe(host);
};

/** Rows as CSV (RFC 4180). Numbers read back to the same bits; a text that a spreadsheet would take for a formula begins with '. */
espalier.csv = (columns, rows) => {
  const cell = (v) => {
    if (v === null || v === undefined) return '';
    if (typeof v !== 'string') return String(v);
    const text = /^[=+\-@\t\r]/.test(v) ? `'${v}` : v;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const line = (cells) => `${cells.map(cell).join(',')}\r\n`;
  return line(columns) + rows.map((row) => line(columns.map((column) => row[column]))).join('');
};

/** A box of "name value" lines beside the pointer; without a value it goes away. */
espalier.showHint = (() => {
  const box = espalier.element('div', { class: 'tooltip', 'aria-hidden': 'true', hidden: true });
  document.body.append(box);
  return (event, value) => {
    box.hidden = value === null || value === undefined || value === '';
    if (box.hidden) return;
    const lines = typeof value === 'object' ? Object.entries(value) : [['', value]];
    box.replaceChildren(...lines.map(([name, text]) => espalier.element('div', {}, name ? espalier.element('span', {}, name) : null, ` ${text}`)));
    const right = event.clientX + 16 + box.offsetWidth > document.documentElement.clientWidth;
    box.style.left = `${Math.max(4, right ? event.clientX - box.offsetWidth - 12 : event.clientX + 16)}px`;
    box.style.top = `${Math.max(4, Math.min(event.clientY + 12, window.innerHeight - box.offsetHeight - 4))}px`;
  };
})();

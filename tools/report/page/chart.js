// chart.js: a figure drawn by Vega, and one drawn pixel by pixel for what has too many marks.

/**
 * Draws a Vega chart.
 *   title, guide, name, columns: see espalier.figure
 *   rows: [{column: value}]: the data source "rows" of the spec, the table and the CSV; an empty list is drawn as a notice
 *   spec: a Vega spec without width and "rows", or a function ({theme, width}) -> spec, called again when those change
 *   renderer: 'svg', or 'canvas' for thousands of marks
 * Returns a promise of {figure, rows, view, update(rows), redraw()}; `view` is Vega's, a new one after redraw().
 */
espalier.chart = async (container, { spec, renderer = 'svg', ...about }) => {
  let width = 600;
  // Vega writes into its rows, and cannot place what is beyond its arithmetic.
  const drawable = (row) => Object.fromEntries(Object.entries(row).map(([key, v]) => [key, typeof v === 'number' && !(Math.abs(v) < 1e150) ? null : v]));
  const make = (wide, more, renderWith) => {
    const theme = espalier.theme();
    espalier.spec.width = wide;
    const made = typeof spec === 'function' ? spec({ theme, width: wide }) : structuredClone(spec);
    const full = {
      width: wide, padding: 4, autosize: { type: 'fit-x', contains: 'padding' }, description: `${about.title}. ${about.guide}`, ...made, ...more,
      data: [{ name: 'rows', values: chart.rows.map(drawable) }, ...(made.data || [])],
    };
    return new vega.View(vega.parse(full, espalier.vegaConfig(theme), { ast: true }),
      { expr: vega.expressionInterpreter, renderer: renderWith, hover: true, logLevel: 1, tooltip: (_, event, item, value) => espalier.showHint(event, value) });
  };
  const image = async () => {
    const view = make(Math.max(width, 640), { title: { text: about.title, anchor: 'start' }, background: espalier.theme().background }, 'none');
    return view.toCanvas(2);
  };
  const chart = espalier.figure(container, { ...about, image });
  chart.redraw = async () => {
    if (chart.rows.length === 0) return;
    if (chart.view) chart.view.finalize();
    width = Math.floor(chart.host.clientWidth) || width;
    chart.view = make(width, {}, renderer).initialize(chart.host);
    await chart.view.runAsync();
  };
  chart.update = (rows) => { chart.rows = rows; return chart.redraw(); };
  await chart.redraw();
  if (chart.rows.length > 0) espalier.follow(chart.host, chart.redraw);
  return chart;
};

/**
 * Draws a picture on a canvas.
 *   title, guide, name, rows, columns: see espalier.figure
 *   draw(context, {width, theme}) -> height in pixels: draws on a 2d context of that width; called with context null to ask
 *       for the height alone
 *   hint(x, y) -> {name: value} or null: what the pointer shows there, in the same pixels
 * Returns {figure, rows, canvas, redraw()}.
 */
espalier.picture = (container, { draw, hint, ...about }) => {
  const { element } = espalier;
  const paint = (canvas, width, scale, above = 0) => {
    const theme = espalier.theme(), height = draw(null, { width, theme }) + above;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext('2d');
    context.scale(scale, scale);
    if (above > 0) {
      context.fillStyle = theme.background;
      context.fillRect(0, 0, width, height);
      context.fillStyle = theme.text;
      context.font = '600 14px system-ui, sans-serif';
      context.fillText(about.title, 8, 20);
      context.translate(0, above);
    }
    draw(context, { width, theme });
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  };
  let width = 600;
  const image = async () => {
    const canvas = element('canvas');
    paint(canvas, width, 2, 30);
    return canvas;
  };
  const picture = espalier.figure(container, { ...about, image });
  if (picture.rows.length === 0) return picture;
  picture.canvas = element('canvas', { role: 'img', 'aria-label': `${about.title}. ${about.guide}` });
  picture.host.append(picture.canvas);
  picture.redraw = () => {
    width = Math.floor(picture.host.clientWidth) || width;
    paint(picture.canvas, width, window.devicePixelRatio || 1);
  };
  if (hint) {
    picture.canvas.addEventListener('pointermove', (event) => espalier.showHint(event, hint(event.offsetX, event.offsetY)));
    picture.canvas.addEventListener('pointerleave', (event) => espalier.showHint(event, null));
  }
  picture.redraw();
  espalier.follow(picture.host, picture.redraw);
  return picture;
};

/** Fonts and inks of all charts. */
espalier.vegaConfig = (theme) => {
  const font = 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif';
  return {
    background: null, font, title: { color: theme.text, fontSize: 14, offset: 12 },
    axis: { labelColor: theme.muted, titleColor: theme.text, gridColor: theme.grid, domainColor: theme.muted, tickColor: theme.muted, labelFontSize: 11,
      titleFontSize: 12, titleFontWeight: 500, titlePadding: 8, tickSize: 4 },
    legend: { labelColor: theme.text, titleColor: theme.muted, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, symbolSize: 120, offset: 8, rowPadding: 4, columnPadding: 14 },
    text: { fill: theme.text, font },
  };
};

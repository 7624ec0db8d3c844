// spec.js: builders of Vega specifications, so that a section states what is drawn and not how axes are written.
// Every spec reads the data source "rows", which espalier.chart fills.
espalier.spec = (() => {
  const value = (v) => (typeof v === 'object' && v !== null ? v : { value: v });

  /** A scale from an axis description {field, type, domain, zero, nice, padding, reverse}; `range` 'width' or 'height'. */
  const scale = (name, axis, range) => ({
    name, type: axis.type || 'linear', range: axis.range || range, reverse: axis.reverse || false,
    domain: axis.domain || { data: axis.data || 'rows', [Array.isArray(axis.field) ? 'fields' : 'field']: axis.field },
    ...(axis.type === 'band' || axis.type === 'point' ? { padding: axis.padding ?? 0.15 }
      : { zero: axis.zero ?? false, nice: axis.nice ?? !axis.domain, ...(axis.padding ? { padding: axis.padding } : {}), ...(axis.type === 'symlog' ? { constant: axis.constant } : {}) }),
  });

  const axis = (orient, name, a) => ({
    orient, scale: name, title: a.title, grid: a.grid ?? orient === 'left', labelOverlap: true,
    ...(a.format ? { format: a.format } : {}), ...(a.values ? { values: a.values } : {}), ...(a.axis || {}),
    tickCount: a.ticks ?? { signal: orient === 'left' ? 'max(3, ceil(height / 50))' : 'max(3, ceil(width / 90))' },
  });

  /**
   * A legend above the plot, in as many columns of `each` pixels as fit. The number is fixed, not an expression of the
   * width: Vega would lay the legend out again when it fits the plot, and cut off the rows this adds.
   */
  const legend = (channel, name, title, { each = 150, ...more } = {}) => ({
    [channel]: name, orient: 'top', direction: 'horizontal', title, titleOrient: 'left', labelLimit: each - 26,
    columns: Math.max(1, Math.floor((builders.width - 70) / each)), ...more,
  });

  /**
   * A plot over two axes.
   *   x, y: {field, title, type, domain, zero, format, values}; marks: as made below; height in pixels
   *   colour: {field, domain, range, title, legend, each, dashes}: a scale "colour" with its legend; `dashes`: of lines, too
   */
  function xy({ x, y, marks, height = 260, colour, legends = [], scales = [], signals = [], data = [], axes = [], ...rest }) {
    const list = colour ? [{ name: 'colour', type: 'ordinal', domain: colour.domain, range: colour.range }] : [];
    if (colour?.dashes) list.push({ name: 'dash', type: 'ordinal', domain: colour.domain, range: colour.dashes });
    const keys = colour && colour.legend !== false && colour.domain.length > 1
      ? [legend(colour.channel || 'stroke', 'colour', colour.title, { symbolType: colour.symbol || 'stroke', symbolStrokeWidth: 3, offset: colour.offset ?? 8, each: colour.each ?? 150,
        ...(colour.dashes ? { strokeDash: 'dash', symbolSize: 900, symbolStrokeWidth: 2 } : {}) })] : [];
    return {
      height, data, signals,
      scales: [scale('x', x, 'width'), scale('y', y, 'height'), ...list, ...scales],
      axes: [axis('bottom', 'x', x), axis('left', 'y', y), ...axes],
      legends: [...keys, ...legends], marks, ...rest,
    };
  }

  const at = (name, field, band) => ({ scale: name, field, ...(band !== undefined ? { band } : {}) });

  /** A line through rows in order, one per value of `series`; rows whose y is no number leave a gap. */
  function line({ x, y, series, colour, dash, width = 2, curve = 'linear', data = 'rows' }) {
    const mark = (from) => ({
      type: 'line', from: { data: from },
      encode: { update: {
        x: at('x', x), y: at('y', y), stroke: colour || { scale: 'colour', field: series }, strokeWidth: { value: width }, interpolate: { value: curve },
        defined: { signal: `isValid(datum[${JSON.stringify(y)}])` }, ...(dash ? { strokeDash: value(dash) } : {}),
      } },
    });
    return series ? { type: 'group', from: { facet: { name: 'faceted', data, groupby: series } }, marks: [mark('faceted')] } : mark(data);
  }

  /** A symbol per row; `tooltip`: {title: expression} shown while the pointer is over it. */
  function points({ x, y, series, colour, size = 60, shape = 'circle', data = 'rows', tooltip, opacity = 1 }) {
    return {
      type: 'symbol', from: { data },
      encode: { update: {
        x: at('x', x), y: at('y', y), size: value(size), shape: value(shape), fill: colour || { scale: 'colour', field: series }, opacity: value(opacity),
        fillOpacity: { signal: `isValid(datum[${JSON.stringify(y)}]) && isValid(datum[${JSON.stringify(x)}]) ? 1 : 0` },
        ...(tooltip ? { tooltip: { signal: hint(tooltip) } } : {}),
      } },
    };
  }

  /** The Vega expression of a tooltip from {title: expression of datum}. */
  const hint = (entries) => `{${Object.entries(entries).map(([title, expression]) => `${JSON.stringify(title)}: ${expression}`).join(', ')}}`;

  /** Vertical rules at `field` of a data source, with a text above the plot where `label` is given. */
  function rules({ field, data, label, colour, dash = [4, 3] }) {
    const rule = {
      type: 'rule', from: { data },
      encode: { update: { x: at('x', field), y: { value: 0 }, y2: { signal: 'height' }, stroke: value(colour), strokeDash: { value: dash }, strokeWidth: { value: 1 } } },
    };
    if (!label) return [rule];
    return [rule, {
      type: 'text', from: { data },
      encode: { update: { x: at('x', field), y: { value: -4 }, align: { value: 'center' }, baseline: { value: 'bottom' }, fontSize: { value: 10 }, text: { field: label }, fill: value(colour) } },
    }];
  }

  const builders = { width: 600, xy, scale, axis, legend, line, points, rules, hint };  // width: of the chart being made, set by chart.js
  return builders;
})();

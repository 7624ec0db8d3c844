// weights.js: how a layer's weights are distributed before and after pruning.
espalier.section({
  id: 'weights', part: 'happened', title: 'Weights before and after', folded: true,
  needs: (data) => data.runs.some((run) => run.layers.length > 0),
  draw(container, data) {
    const { runs, spec, format } = espalier;
    const rows_of = ({ histogram: { low, high, before, after } }) => after.map((count, i) => {
      const width = (high - low) / after.length;
      return { from: low + i * width, to: low + (i + 1) * width, before: before ? before[i] : null, after: count };
    });
    const bars = (field, fill, opacity) => ({
      type: 'rect', from: { data: 'rows' },
      encode: { update: { x: { scale: 'x', field: 'from' }, x2: { scale: 'x', field: 'to', offset: -1 }, y: { scale: 'y', field }, y2: { scale: 'y', value: 0 },
        fill: { value: fill }, fillOpacity: { value: opacity }, tooltip: { signal: spec.hint({ from: "format(datum.from, '.3~g')", to: "format(datum.to, '.3~g')", before: 'datum.before', after: 'datum.after' }) } } },
    });
    return runs.each(container, data.runs.filter((run) => run.layers.length > 0), async (place, run) => {
      const bar = espalier.toolbar(place), body = espalier.element('div');
      place.append(body);
      const state = { layer: run.layers.find((l) => l.kept < l.weights) || run.layers[0], scale: 'linear' };
      const draw = () => {
        body.replaceChildren();
        const { layer } = state, had = layer.histogram.before !== null, removed = layer.weights - layer.kept;
        const y = { domain: { data: 'rows', fields: had ? ['before', 'after'] : ['after'] }, title: 'weights', zero: true, nice: true,
          ...(state.scale === 'log' ? { type: 'symlog', constant: 1, values: [0, 1, 10, 100, 1000, 1e4, 1e5, 1e6] } : {}) };
        return espalier.chart(body, {
          title: `${layer.name}: ${format.count(layer.weights)} weights`, name: `weights_${layer.name}`, rows: rows_of(layer),
          guide: `${had ? 'Pale orange: just before the first pruning step. ' : ''}Blue: the ${format.count(layer.kept)} weights that are left at the end${
            removed > 0 ? `; the ${format.count(removed)} removed ones, all zero now, are not counted` : ''}. A hole around zero is what magnitude would cut; second-order criteria also remove larger weights.`,
          spec: ({ theme }) => spec.xy({
            height: 260, x: { field: ['from', 'to'], title: 'weight', nice: false, domain: [layer.histogram.low, layer.histogram.high], format: '~g' }, y,
            marks: [...(had ? [bars('before', theme.orange, 0.35)] : []), bars('after', theme.blue, 0.9)],
            scales: [{ name: 'when', type: 'ordinal', domain: had ? ['before pruning', 'after'] : ['after'], range: had ? [theme.orange, theme.blue] : [theme.blue] }],
            legends: [spec.legend('fill', 'when', undefined, { symbolType: 'square' })],
          }),
        });
      };
      espalier.choice(bar, { label: 'Layer', value: state.layer.name, onChange: (name) => { state.layer = run.layers.find((l) => l.name === name); return draw(); }, options: run.layers.map((l) => l.name) });
      espalier.choice(bar, { label: 'Counts', value: 'linear', onChange: (scale) => { state.scale = scale; return draw(); }, options: ['linear', { value: 'log', label: 'logarithmic' }] });
      await draw();
    });
  },
});

// sparsity.js: how the pruned weights were spread over the layers, step by step.
espalier.section({
  id: 'sparsity', part: 'happened', title: 'Sparsity of the layers', folded: true,
  needs: (data) => data.runs.some((run) => espalier.runs.steps(run).length > 0),
  draw(container, data) {
    const { runs, spec, format } = espalier;
    const all = 'all prunable';
    const percent = (name) => `format(datum.${name}, '.2%')`;

    /** One row per step and layer. With a single epoch the sub-steps are the axis. */
    const rows_of = (run) => {
      const steps = runs.steps(run), by_epoch = new Set(steps.map((row) => row.epoch)).size > 1;
      const at = (row, i) => (by_epoch ? row.epoch : i + 1);
      const rows = steps.flatMap((row, i) => [...runs.layers(run), all].map((layer) => ({
        [by_epoch ? 'epoch' : 'step']: at(row, i), layer, sparsity: layer === all ? row.sparsity : row[`sparsity.${layer}`] })));
      if (!by_epoch) return { x: 'step', title: 'pruning step', rows };
      if (steps[0].sparsity_before === 0 && steps[0].epoch > 0)
        rows.unshift(...rows.filter((row) => row.epoch === steps[0].epoch).map((row) => ({ ...row, epoch: 0, sparsity: 0 })));
      const end = Math.max(runs.epochs(run), steps.at(-1).epoch);
      if (end > steps.at(-1).epoch)
        rows.push(...rows.filter((row) => row.epoch === steps.at(-1).epoch).map((row) => ({ ...row, epoch: end })));
      return { x: 'epoch', title: 'epochs', rows };
    };
    const lines = (names, x, title) => ({ theme }) => spec.xy({
      height: 300, x: { field: x, title, zero: x === 'epoch', nice: false, ...(x === 'step' ? { axis: { tickMinStep: 1 }, format: 'd', padding: 12 } : {}) },
      y: { field: 'sparsity', title: 'sparsity', domain: [0, 1], format: '.0~%' },
      colour: { domain: names, range: names.map((name, i) => (name === all ? theme.text : espalier.seriesColour(i))) },
      marks: [spec.line({ x, y: 'sparsity', series: 'layer', curve: x === 'epoch' ? 'step-after' : 'linear' }),
        spec.points({ x, y: 'sparsity', series: 'layer', size: 30, tooltip: { layer: 'datum.layer', [title]: `datum.${x}`, sparsity: percent('sparsity') } })],
    });
    /** A single step: a bar a layer. */
    const bars = (names) => ({ theme }) => spec.xy({
      height: names.length * 26, x: { field: 'sparsity', title: 'sparsity', domain: [0, 1], format: '.0~%', axis: { grid: true } }, y: { field: 'layer', title: null, type: 'band', domain: names, grid: false, padding: 0.25 },
      marks: [{ type: 'rect', from: { data: 'rows' }, encode: { update: { x: { scale: 'x', value: 0 }, x2: { scale: 'x', field: 'sparsity' }, y: { scale: 'y', field: 'layer' }, height: { scale: 'y', band: 1 },
        fill: { signal: `datum.layer === '${all}' ? '${theme.text}' : '${theme.blue}'` }, tooltip: { signal: spec.hint({ layer: 'datum.layer', sparsity: percent('sparsity') }) } } } }],
    });
    /** Many layers: a field of cells, dark where much was removed. */
    const cells = (names, x, title) => ({ theme }) => spec.xy({
      height: names.length * 17, x: { field: x, title, type: 'band', padding: 0.03 }, y: { field: 'layer', title: null, type: 'band', domain: names, padding: 0.06, grid: false },
      scales: [{ name: 'share', type: 'linear', domain: [0, 1], range: [theme.zero, theme.blue] }],
      legends: [{ ...spec.legend('fill', 'share', 'sparsity'), type: 'gradient', gradientLength: 160, format: '.0%' }],
      marks: [{ type: 'rect', from: { data: 'rows' }, encode: { update: { x: { scale: 'x', field: x }, width: { scale: 'x', band: 1 }, y: { scale: 'y', field: 'layer' }, height: { scale: 'y', band: 1 },
        fill: { scale: 'share', field: 'sparsity' }, tooltip: { signal: spec.hint({ layer: 'datum.layer', [title]: `datum.${x}`, sparsity: percent('sparsity') }) } } } }],
    });

    return runs.each(container, data.runs.filter((run) => runs.steps(run).length > 0), async (place, run) => {
      const { x, title, rows } = rows_of(run), names = [...runs.layers(run), all], many = names.length > 8, single = runs.steps(run).length === 1;
      await espalier.chart(place, {
        title: single ? 'Sparsity per layer' : 'Sparsity per layer over time', name: 'sparsity_per_layer', rows, spec: (single ? bars : many ? cells : lines)(names, x, title),
        guide: `Share of each layer's weights that are removed ${single ? 'by the pruning step' : 'after each pruning step'}. A layer ${single ? 'with a short bar' : many ? 'that stays pale' : 'whose line stays low'} holds weights the criterion found dear${
          run.config?.prune?.scope === 'global' ? '; all layers compete for one target' : ''}.`,
      });
      const end = runs.done(run);
      if (!end) return;
      const share = (layer) => end[`sparsity.${layer}`], weights = (layer) => end[`weights.${layer}`];
      const card = espalier.element('div', { class: 'card' });
      place.append(card);
      espalier.table(card, { caption: 'Layers at the end', rows: [
        ...runs.layers(run).map((layer) => ({ layer, weights: weights(layer), kept: Math.round(weights(layer) * (1 - share(layer))), sparsity: share(layer) })),
        { layer: all, weights: end.weights, kept: Math.round(end.weights * (1 - end.sparsity)), sparsity: end.sparsity, emphasis: true }],
      columns: [{ name: 'layer', title: 'Layer' }, { name: 'weights', title: 'Weights', numeric: true, format: format.count }, { name: 'kept', title: 'Kept', numeric: true, format: format.count },
        { name: 'sparsity', title: 'Sparsity', numeric: true, format: (v) => format.percent(v) }] });
    });
  },
});

// overlay.js: several runs in one chart: accuracy over epochs, and where each took its weights from.
espalier.section({
  id: 'overlay', part: 'happened', title: 'Comparing runs',
  needs: (data) => data.runs.filter((run) => espalier.runs.trained(run) && run.metrics.length > 0).length > 1,
  async draw(container, data) {
    const { element, runs, spec, known } = espalier;
    const mine = data.runs.filter((run) => runs.trained(run) && run.metrics.length > 0);
    const looks = mine.map((run) => ({ label: run.name, method: runs.method(run) }));
    const legend = (more) => [spec.legend('stroke', 'colour', undefined, { symbolStrokeWidth: 2.5, each: 210, ...more })];
    const figures = element('div', { class: 'figures' });
    container.append(figures);

    const rows = mine.flatMap((run) => espalier.metrics(run).filter((row) => row.event === 'epoch' || row.event === 'prune')
      .map((row) => ({ run: run.name, epoch: row.epoch, after: row.event === 'prune' ? 'pruning' : 'epoch', accuracy: row.test_accuracy, sparsity: row.event === 'prune' ? row.sparsity : null })))
      .filter((row) => known(row.accuracy));
    if (mine.some((run) => runs.epochs(run) > 0)) {
      await espalier.chart(figures, {
        title: 'Test accuracy over training', name: 'runs_accuracy_over_epochs', rows, columns: ['run', 'epoch', 'after', 'sparsity', 'accuracy'],
        guide: 'One line a run; the colour is the method\'s, dashes tell runs of one method apart. Diamonds are the states just after a pruning step.',
        spec: () => spec.xy({
          height: 300, scales: espalier.seriesScales(looks), legends: legend({ strokeDash: 'dash', symbolType: 'stroke' }), x: { field: 'epoch', title: 'epochs', zero: true, nice: false }, y: { field: 'accuracy', title: 'test accuracy', format: '.1~%' },
          data: [{ name: 'steps', source: 'rows', transform: [{ type: 'filter', expr: "datum.after === 'pruning'" }] }],
          marks: [spec.line({ x: 'epoch', y: 'accuracy', series: 'run', dash: { scale: 'dash', field: 'run' } }),
            spec.points({ x: 'epoch', y: 'accuracy', series: 'run', data: 'steps', shape: 'diamond', size: 60, tooltip: { '': 'datum.run', epoch: 'datum.epoch', accuracy: "format(datum.accuracy, '.2%')", sparsity: "format(datum.sparsity, '.2%')" } })],
        }),
      });
    }

    const layers = mine.flatMap((run) => {
      const row = runs.done(run) || runs.steps(run).at(-1) || {};
      return runs.layers(run).map((layer) => ({ layer, run: run.name, sparsity: row[`sparsity.${layer}`] }));
    });
    const pruned = looks.filter((look) => layers.some((row) => row.run === look.label)), names = [...new Set(layers.map((row) => row.layer))];
    if (pruned.length < 2) return;
    await espalier.chart(figures, {
      title: 'Where the weights were taken from', name: 'runs_sparsity_per_layer', rows: layers,
      guide: 'Sparsity of each layer at the end of each run. Criteria that look only at magnitudes and those that look at the curvature often differ in the first and last layers.',
      spec: ({ theme }) => spec.xy({
        height: Math.max(120, 26 * names.length), scales: espalier.seriesScales(pruned), x: { field: 'sparsity', title: 'sparsity', domain: [0, 1], format: '.0~%', grid: true },
        y: { field: 'layer', title: null, type: 'point', domain: names, padding: 0.5 },
        legends: legend({ shape: 'shape', symbolFillColor: 'transparent' }),
        marks: [{ type: 'symbol', from: { data: 'rows' }, encode: { update: { x: { scale: 'x', field: 'sparsity' }, y: { scale: 'y', field: 'layer' }, shape: { scale: 'shape', field: 'run' }, size: { value: 90 },
          stroke: { scale: 'colour', field: 'run' }, strokeWidth: { value: 2 }, fill: { value: theme.background }, tooltip: { signal: spec.hint({ '': 'datum.run', layer: 'datum.layer', sparsity: "format(datum.sparsity, '.2%')" }) } } } }],
      }),
    });
  },
});

// sweep.js: the cells of a sweep: the table, what dampening does, and whether predictions held.
espalier.section({
  id: 'sweep', part: 'happened', title: 'The sweep, cell by cell',
  needs: (data) => data.runs.some((run) => espalier.events(run, 'cell').length > 0),
  draw(container, data) {
    const { element, runs, spec, known, events, format } = espalier;
    return runs.each(container, data.runs.filter((run) => events(run, 'cell').length > 0), async (place, run) => {
      const groups = runs.cellGroups(run), cells = groups.flatMap((group) => group.cells.map((cell) => ({ ...cell, label: group.label, short: group.short, damp: group.damp })));
      const sparsities = [...new Set(cells.map((cell) => cell.target))].sort((a, b) => a - b);
      const best = new Map(sparsities.map((s) => [s, Math.max(...cells.filter((cell) => cell.target === s && known(cell.test_accuracy)).map((cell) => cell.test_accuracy))]));
      const rows = groups.map((group) => ({ label: group.label, ...Object.fromEntries(group.cells.map((cell) => [`s${cell.target}`, cell])) }));
      const cell_text = (cell) => (cell === undefined ? '–' : cell.failed ? element('span', { title: String(cell.failed), class: 'muted' }, 'failed')
        : cell.test_accuracy === best.get(cell.target) ? element('strong', {}, format.percent(cell.test_accuracy)) : format.percent(cell.test_accuracy));
      const card = element('div', { class: 'card' });
      place.append(card);
      espalier.table(card, { caption: 'Test accuracy at each sparsity; the best of a column is bold', rows,
        columns: [{ name: 'label', title: 'Combination' }, ...sparsities.map((s) => ({ name: `s${s}`, title: format.percent(s, 0), numeric: true, format: cell_text }))] });

      const figures = element('div', { class: 'figures' }), bar = element('div', { class: 'toolbar' });
      const damped = cells.filter((cell) => known(cell.damp) && known(cell.test_accuracy)), criteria = [...new Set(cells.map((cell) => cell.criterion))];
      const draw_damp = async (target) => {
        const mine = damped.filter((cell) => cell.target === target).map((cell) => ({ combination: cell.short, criterion: cell.criterion, damp: cell.damp, accuracy: cell.test_accuracy }));
        const series = [...new Map(mine.map((row) => [row.combination, { label: row.combination, method: row.criterion }])).values()];
        figures.querySelector('[data-chart="accuracy_against_dampening"]')?.remove();
        await espalier.chart(figures, {
          title: `What dampening does, at ${format.percent(target, 0)} sparsity`, name: 'accuracy_against_dampening', rows: mine,
          guide: 'A flat line: the choice of lambda hardly matters. Where a line falls to the left, the Fisher\'s small eigenvalues are noise that dampening should hide.',
          spec: () => spec.xy({
            height: 300, scales: espalier.seriesScales(series), x: { field: 'damp', title: 'dampening (logarithmic)', type: 'log', format: '~e', nice: false, padding: 10, values: [...new Set(mine.map((row) => row.damp))] }, y: { field: 'accuracy', title: 'test accuracy', format: '.1~%' },
            legends: [spec.legend('stroke', 'colour', undefined, { shape: 'shape', symbolStrokeWidth: 2, symbolFillColor: 'transparent', each: 180 })],
            marks: [spec.line({ x: 'damp', y: 'accuracy', series: 'combination', dash: { scale: 'dash', field: 'combination' } }),
              spec.points({ x: 'damp', y: 'accuracy', series: 'combination', shape: { scale: 'shape', field: 'combination' }, tooltip: { '': 'datum.combination', damp: "format(datum.damp, '~e')", accuracy: "format(datum.accuracy, '.2%')" } })],
          }),
        });
      };
      const predicted = cells.filter((cell) => known(cell.predicted_loss_change) && known(cell.measured_loss_change))
        .map((cell) => ({ combination: cell.label, criterion: cell.criterion, sparsity: cell.target, predicted: cell.predicted_loss_change, measured: cell.measured_loss_change }));
      if (new Set(damped.map((cell) => cell.damp)).size > 1) {
        espalier.choice(bar, { label: 'Dampening at sparsity', value: sparsities.at(-1), onChange: draw_damp, options: sparsities.map((s) => ({ value: s, label: format.percent(s, 0) })) });
        place.append(bar, figures);
      } else {
        place.append(figures);
      }
      if (predicted.length > 0)
        await espalier.lossChart(figures, { title: 'Did the quadratic model predict the loss?', name: 'sweep_predicted_against_measured', rows: predicted,
          guide: 'One point a cell. On the dashed line the model was right; far above it the step went beyond where the loss is quadratic.',
          series: { field: 'criterion', domain: criteria, range: () => criteria.map((criterion) => espalier.methodColour(criterion)) },
          tooltip: { '': 'datum.combination', sparsity: "format(datum.sparsity, '.0%')", predicted: "format(datum.predicted, '.3~g')", measured: "format(datum.measured, '.3~g')" } });
      if (bar.childElementCount > 0) await draw_damp(sparsities.at(-1));
    });
  },
});

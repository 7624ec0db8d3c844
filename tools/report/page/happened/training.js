// training.js: accuracy and loss over epochs with every pruning step, and the steps as a table.
espalier.section({
  id: 'training', part: 'happened', title: 'Training and pruning',
  needs: (data) => data.runs.some((run) => espalier.runs.trained(run) && run.metrics.length > 0),
  draw(container, data) {
    const { element, format, runs, spec } = espalier;
    const training = 'training (augmented images)', test = 'test';

    /** Rows of a chart of one quantity: the epochs' and, for the test set, the state after each pruning step. */
    const rows_of = (run, quantity) => espalier.metrics(run).flatMap((row) => {
      if (row.event === 'epoch')
        return [{ epoch: row.epoch, set: training, after: 'epoch', [quantity]: row[`train_${quantity}`] }, { epoch: row.epoch, set: test, after: 'epoch', [quantity]: row[`test_${quantity}`] }];
      if (row.event === 'prune') return [{ epoch: row.epoch, set: test, after: 'pruning', sparsity: row.sparsity, [quantity]: row[`test_${quantity}`] }];
      return [];
    });
    /** Where the network was pruned; of several sub-steps at one epoch, the last. */
    const marks_of = (run) => {
      const by_epoch = new Map(runs.steps(run).map((row) => [row.epoch, { epoch: row.epoch, label: format.percent(row.sparsity, 0) }]));
      return [...by_epoch.values()];
    };
    const chart = (place, run, quantity, title, guide, axis) => {
      const marks = marks_of(run);
      return espalier.chart(place, {
        title, guide, name: `${quantity}_over_epochs`, rows: rows_of(run, quantity),
        spec: ({ theme }) => spec.xy({
          height: 280, x: { field: 'epoch', title: 'epochs', zero: true, nice: false }, y: axis,
          colour: { domain: [test, training], range: [theme.blue, theme.orange], offset: marks.length > 0 ? 22 : 8, each: 190 },
          data: [{ name: 'steps', values: marks }, { name: 'test', source: 'rows', transform: [{ type: 'filter', expr: `datum.set === '${test}'` }] }],
          marks: [
            ...spec.rules({ field: 'epoch', data: 'steps', label: 'label', colour: theme.muted }),
            spec.line({ x: 'epoch', y: quantity, series: 'set' }),
            spec.points({ x: 'epoch', y: quantity, data: 'test', colour: { value: theme.blue }, size: { signal: "datum.after === 'pruning' ? 70 : 36" },
              shape: { signal: "datum.after === 'pruning' ? 'diamond' : 'circle'" },
              tooltip: { epochs: 'datum.epoch', [quantity]: `format(datum.${quantity}, '.4f')`, after: 'datum.after' } }),
          ],
        }),
      });
    };

    const steps_table = (place, run) => {
      const dense = runs.dense(run), end = runs.final(run);
      if (!dense) return;
      const done = runs.done(run), twin = espalier.known(done?.twin_test_accuracy);
      const rows = [{ what: 'dense, before the first step', epoch: dense.epoch, sparsity: runs.steps(run)[0].sparsity_before, accuracy: dense.accuracy },
        ...runs.steps(run).map((row) => ({ what: 'pruned', epoch: row.epoch, sparsity: row.sparsity, accuracy: row.test_accuracy, predicted: row.predicted_loss_change, measured: row.measured_loss_change, unseen: row.held_out_loss_change, trusted: row.trusted })),
        ...(end.complete ? [{ what: 'at the end', epoch: runs.epochs(run) || dense.epoch, sparsity: end.sparsity, accuracy: end.accuracy, emphasis: true }] : []),
        ...(twin ? [{ what: 'dense twin, not pruned', epoch: done.twin_epochs, accuracy: done.twin_test_accuracy }] : [])];
      const card = element('div', { class: 'card' }, element('h3', {}, 'Step by step'),
        element('p', { class: 'guide' }, `Predicted: the quadratic model's change of the loss on the examples the Fisher was estimated from. Measured: the real one, on the same examples. Held out: the real one on training examples that the Fisher has not seen.${
          rows.some((row) => row.trusted === false) ? ' ⚠: predicted and measured are too far apart to trust the prediction.' : ''}${
          twin ? ' The dense twin is the same network trained as long without pruning: what the last line but one is to be held against.' : dense.epoch === (runs.epochs(run) || dense.epoch) ? '' : ` The first line is of ${dense.epoch} epochs, the last of ${runs.epochs(run)}: their difference is not what sparsity costs.`}`));
      espalier.table(card, { caption: 'Pruning steps', rows, columns: [
        { name: 'what', title: '' }, { name: 'epoch', title: 'Epochs', numeric: true, minor: true },
        { name: 'sparsity', title: 'Sparsity', about: espalier.about('prune', 'sparsity'), numeric: true, format: (v) => format.percent(v) },
        { name: 'accuracy', title: 'Test accuracy', about: espalier.about('prune', 'test_accuracy'), numeric: true, format: (v) => format.percent(v) },
        { name: 'predicted', title: 'Predicted', about: espalier.about('prune', 'predicted_loss_change'), numeric: true, format: (v) => format.signed(v) },
        { name: 'measured', title: 'Measured', about: espalier.about('prune', 'measured_loss_change'), numeric: true, format: (v, row) => `${format.signed(v)}${row.trusted === false ? ' ⚠' : ''}` },
        { name: 'unseen', title: 'Held out', about: espalier.about('prune', 'held_out_loss_change'), numeric: true, minor: true, format: (v) => format.signed(v) }] });
      place.append(card);
    };

    return runs.each(container, data.runs.filter((run) => runs.trained(run) && run.metrics.length > 0), async (place, run) => {
      const marked = runs.steps(run).length > 0 ? ' Dashed lines are pruning steps with the sparsity reached; there the test line drops or rises at once (diamond: just after the step).' : '';
      if (runs.epochs(run) > 0) {
        const figures = element('div', { class: 'figures' });
        place.append(figures);
        await chart(figures, run, 'accuracy', 'Accuracy over training', `Share of images classified right, after each epoch.${marked}`,
          { field: 'accuracy', title: 'accuracy', format: '.0~%' });
        await chart(figures, run, 'loss', 'Loss over training', `Mean cross-entropy, in nats; lower is better.${marked}`, { field: 'loss', title: 'cross-entropy [nats]', zero: true });
      }
      steps_table(place, run);
    });
  },
});

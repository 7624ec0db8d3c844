// verdict.js: what a page comes to, in a sentence or two at its top. Numbers are those of the rows; where two of them cannot
// be compared, it says so.
espalier.verdict = (data) => {
  const { format, runs, known } = espalier;
  const points = (share) => `${(100 * Math.abs(share)).toFixed(2)} points`;

  /** What sparsity costs, by the twin trained as long without pruning. */
  const price = (done) => {
    const { price_of_sparsity: cost, price_error: error } = done;
    const noise = known(error) ? `standard error ${(100 * error).toFixed(2)}, over the draw of the ${format.count(done.test_images)} test images; one seed` : 'one seed';
    const how = cost > 0 ? `${points(cost)} fewer than` : cost < 0 ? `${points(cost)} more than` : 'as many as';
    const clear = known(error) && Math.abs(cost) < 2 * error ? ' No difference beyond that noise is shown.' : '';
    return `${how} of the same network trained as long without pruning (${format.percent(done.twin_test_accuracy)}; ${noise}).${clear}`;
  };
  const pruned = (run) => {
    const end = runs.final(run), dense = runs.dense(run), done = runs.done(run), epochs = runs.epochs(run);
    if (!end.complete) return `The run has not come to its end; so far ${format.percent(end.accuracy)} of the test images are right, with ${format.percent(end.sparsity)} of the weights removed.`;
    const head = `${format.percent(end.sparsity)} of the weights are gone, and ${format.percent(end.accuracy)} of the test images are right`;
    if (known(done.price_of_sparsity)) return `${head}: ${price(done)}`;
    if (!dense) return `${head}.`;
    if (dense.epoch === (epochs || dense.epoch)) return `${head}; ${format.percent(dense.accuracy)} before pruning.`;
    return `${head} after ${epochs} epochs. Before the first pruning step, after ${dense.epoch}, it was ${format.percent(dense.accuracy)}: networks trained for different times, so their difference is not what sparsity costs ("baseline": "equal_budget" measures that).`;
  };
  /** Half of a 95 % band of an accuracy on n images. */
  const swept = (run) => {
    const { best, images, band } = runs.sweepBest(run);
    if (best.length === 0) return 'No cell of the sweep has a result.';
    const named = ({ target, cell, group, rivals }) => `${format.percent(target, 0)}: ${group.label}, ${format.percent(cell.test_accuracy)}${rivals > 0 ? ` (${rivals} more within the noise)` : ''}`;
    return `Best at each sparsity: ${best.map(named).join('; ')}.${known(images) ? ` Noise: ± ${(100 * band).toFixed(2)} points, 95 %, over the draw of ${format.count(images)} test images.` : ''}`;
  };
  if (data.runs.length > 1) {
    const ended = data.runs.filter((run) => runs.trained(run) && runs.final(run).complete);
    if (ended.length < 2) return '';
    const best = ended.reduce((a, b) => (runs.final(b).accuracy > runs.final(a).accuracy ? b : a)), end = runs.final(best);
    const same = new Set(ended.map((run) => format.percent(runs.final(run).sparsity ?? 0))).size === 1;
    return `Of ${ended.length} runs, ${best.name} ends with the most test images right: ${format.percent(end.accuracy)}${known(end.sparsity) ? ` at ${format.percent(end.sparsity)} sparsity` : ''}.${
      same ? '' : ' They end at different sparsities.'}`;
  }
  const [run] = data.runs;
  if (run.kind === 'prune') return pruned(run);
  if (run.kind === 'sweep') return swept(run);
  if (run.kind === 'train') {
    const end = runs.final(run);
    return known(end.accuracy) ? `${format.percent(end.accuracy)} of the test images are right after ${runs.epochs(run)} epochs${end.complete ? '' : ', and the run has not come to its end'}.` : '';
  }
  return '';
};

// runs.js: what sections ask of a run's rows of metrics. Numbers are those of the files; nothing is smoothed.
espalier.runs = (() => {
  const { declared, events, known, metrics } = espalier;
  const done = (run) => events(run, 'done').at(-1);
  const epochs = (run) => events(run, 'epoch').length;
  const steps = (run) => events(run, 'prune');
  const trained = (run) => run.kind === 'train' || run.kind === 'prune';
  const sum = (rows, name) => rows.reduce((total, row) => total + (known(row[name]) ? row[name] : 0), 0);

  /** The dense network before the first pruning step: {epoch, accuracy}; undefined for a run that pruned nothing. */
  const dense = (run) => {
    const [first] = steps(run);
    return first && { epoch: first.epoch, accuracy: first.test_accuracy_before };
  };
  /** The network at the end: {accuracy, loss, sparsity, sparsityOfAll}, of the last row that knows, with `complete`. */
  const final = (run) => {
    const end = done(run), last = steps(run).at(-1);
    const scored = metrics(run).filter((row) => ['epoch', 'prune', 'done'].includes(row.event) && known(row.test_accuracy)).at(-1);
    return {
      complete: end !== undefined, accuracy: end?.test_accuracy ?? scored?.test_accuracy, loss: end?.test_loss ?? scored?.test_loss,
      sparsity: end?.sparsity ?? last?.sparsity, sparsityOfAll: end?.sparsity_of_all_parameters,
    };
  };
  /** Seconds of training and of pruning that the rows record. */
  const seconds = (run) => ({
    training: sum(events(run, 'epoch'), 'seconds'), pruning: sum(steps(run), 'seconds'), other: sum(events(run, 'cell'), 'seconds') + sum(events(run, 'curvature'), 'seconds'),
  });
  /** Layers that were pruned, in the order of the network. */
  const layers = (run) => {
    const keys = (row) => Object.keys(row).filter((key) => key.startsWith('sparsity.'));
    const row = [...steps(run), ...events(run, 'done')].find((candidate) => keys(candidate).length > 0) || {};
    return keys(row).map((key) => key.slice('sparsity.'.length));
  };
  /** Histograms of saliency.jsonl that are complete. */
  const saliency = (run) => run.saliency.filter((line) => Array.isArray(line.removed) && Array.isArray(line.kept) && known(line.low) && known(line.width));
  /** Matrices of a curvature study, as the tour names them. */
  const matrices = { hessian: 'Hessian', empirical_fisher: 'empirical Fisher', true_fisher: 'true Fisher, exact', monte_carlo_fisher: 'true Fisher, drawn labels' };
  /** Rows of a curvature study: of the run itself, or of the study in its folder. */
  const curvature = (run) => [...events(run, 'curvature'), ...(run.curvature || []).filter((row) => row.event === 'curvature').map((row) => declared(row, 'curvature'))]
    .filter((row) => typeof row.layer === 'string' && known(row.examples) && row.examples > 0 && Object.keys(matrices).some((kind) => known(row[`trace.${kind}`])));
  /** Bytes of a file of the run; undefined if it is not there. */
  const file = (run, name) => (run.files || []).find((f) => f.name === name);
  /** The type of a setting that is a text or an object with "type". */
  const type = (setting) => (setting && typeof setting === 'object' ? setting.type : setting);
  /** The pruning method in a few words: "woodfisher block 1000". */
  const method = (run) => {
    const prune = run.config?.prune;
    if (!prune) return 'dense';
    const inverse = type(prune.inverse), size = prune.inverse?.fisher_block_size;
    const plain = type(prune.criterion) === 'magnitude';
    return [type(prune.criterion), plain ? null : inverse, inverse === 'block' && !plain ? size : null].filter((word) => word !== null && word !== undefined).join(' ');
  };

  /** 1e-5 for 0.00001. */
  const brief = (v) => (v !== 0 && Math.abs(v) < 0.01 ? v.toExponential().replace('.0e', 'e') : String(v));
  /**
   * Combinations of a sweep in the order of its rows: {key, label, short, criterion, damp, cells}; `short` leaves the
   * dampening out.
   */
  const cellGroups = (run) => {
    const groups = new Map();
    for (const cell of events(run, 'cell')) {
      const { criterion, inverse, fisher_block_size: size, damp, update, scope } = cell;
      const key = JSON.stringify([criterion, inverse, size, damp, update, scope]);
      if (!groups.has(key)) {
        const words = [criterion, inverse, size, update === 'simultaneous' ? null : update, scope === 'global' ? null : scope];
        groups.set(key, { key, short: words.filter((word) => word).join(' '), criterion: String(criterion), damp, cells: [] });
      }
      groups.get(key).cells.push(cell);
    }
    const list = [...groups.values()], damps = new Set(list.map((group) => group.damp).filter(known));
    return list.map((group) => ({ ...group, label: damps.size > 1 && known(group.damp) ? `${group.short} λ=${brief(group.damp)}` : group.short }));
  };

  /**
   * Of each sparsity of a sweep its best cell, and how many others are within the noise of drawing the test images:
   *   {best: [{target, cell, group, rivals}], images, band}; band: half of the 95 % band of the worst of the best
   */
  const sweepBest = (run) => {
    const cells = cellGroups(run).flatMap((group) => group.cells.map((cell) => ({ cell, group }))).filter(({ cell }) => known(cell.test_accuracy));
    const images = events(run, 'dense').at(-1)?.test_images;
    const spread = (p) => (known(images) ? 1.96 * Math.sqrt((p * (1 - p)) / images) : 0);
    const best = [...new Set(cells.map(({ cell }) => cell.target))].sort((a, b) => a - b).map((target) => {
      const mine = cells.filter(({ cell }) => cell.target === target), top = mine.reduce((a, b) => (b.cell.test_accuracy > a.cell.test_accuracy ? b : a));
      const close = mine.filter(({ cell }) => cell.test_accuracy >= top.cell.test_accuracy - spread(top.cell.test_accuracy));
      return { target, ...top, rivals: close.length - 1 };
    });
    return { best, images, band: Math.max(0, ...best.map(({ cell }) => spread(cell.test_accuracy))) };
  };

  /**
   * Draws one of several runs at a time: with one run at once, with more behind a choice.
   *   draw(container, run) may return a promise
   */
  async function each(container, runs, draw) {
    const body = espalier.element('div');
    const show = async (index) => {
      body.replaceChildren();
      await draw(body, runs[index]);
    };
    if (runs.length > 1) {
      espalier.choice(espalier.toolbar(container), { label: 'Run', value: 0, onChange: show,
        options: runs.map((run, i) => ({ value: i, label: run.name })) });
    }
    container.append(body);
    await show(0);
  }

  return { done, epochs, steps, trained, dense, final, seconds, layers, saliency, matrices, curvature, file, type, method, cellGroups, sweepBest, each };
})();

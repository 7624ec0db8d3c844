// runs.js: what sections ask of a run's rows of metrics. Numbers are those of the files; nothing is smoothed.
espalier.runs = (() => {
  const { events, known } = espalier;
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
    const scored = (run.metrics || []).filter((row) => known(row.test_accuracy) && row.event !== 'cell' && row.event !== 'dense').at(-1);
    return {
      complete: end !== undefined, accuracy: end?.test_accuracy ?? scored?.test_accuracy, loss: end?.test_loss ?? scored?.test_loss,
      sparsity: end?.sparsity ?? last?.sparsity, sparsityOfAll: end?.sparsity_of_all_parameters,
    };
  };
  /** Seconds of training and of pruning that the rows record. */
  const seconds = (run) => ({
    training: sum(events(run, 'epoch'), 'seconds'), pruning: sum(steps(run), 'seconds'), sweeping: sum(events(run, 'cell'), 'seconds'),
  });
  /** Layers that were pruned, in the order of the network. */
  const layers = (run) => {
    const row = steps(run).at(-1) || done(run) || {};
    return Object.keys(row).filter((key) => key.startsWith('sparsity.')).map((key) => key.slice('sparsity.'.length));
  };
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

  return { done, epochs, steps, trained, dense, final, seconds, layers, file, type, method, each };
})();

// summary.js: what each run came to, in numbers.
espalier.section({
  id: 'summary', part: 'happened', title: 'Summary',
  draw(container, data) {
    const { element, format, runs } = espalier;
    const tile = (list, name, value, more) => list.append(element('div', { class: 'tile' }, element('dt', {}, name),
      element('dd', { class: 'value' }, value), element('dd', { class: 'more' }, more)));

    /** "x of y (z %)" of the multiply-adds that are left, as far as the run knows. */
    const work = (run) => {
      const end = runs.done(run);
      if (!espalier.known(end?.multiply_adds)) return ['–', 'not recorded by this run'];
      if (!espalier.known(end.multiply_adds_kept)) return [format.count(end.multiply_adds), 'an image, dense'];
      return [format.percent(end.multiply_adds_kept / end.multiply_adds, 1), `${format.count(end.multiply_adds_kept)} of ${format.count(end.multiply_adds)} an image are with weights that are left`];
    };
    const size = (run) => {
      const dense = runs.file(run, 'dense.safetensors'), now = runs.file(run, 'checkpoint.safetensors');
      if (!now) return ['–', 'no checkpoint in the folder'];
      const packed = (f) => format.bytes(f.deflated ?? f.bytes);
      if (!runs.dense(run) || !dense) return [packed(now), `checkpoint, compressed; ${format.bytes(now.bytes)} as the file is`];
      return [`${packed(dense)} → ${packed(now)}`, `compressed with zlib; the files are ${format.bytes(dense.bytes)} and ${format.bytes(now.bytes)}, with zeros and masks written out`];
    };
    const time = (run) => {
      const s = runs.seconds(run);
      if (!runs.trained(run)) return [format.seconds(s.other), run.kind === 'sweep' ? 'all cells' : 'all layers and numbers of examples'];
      return [format.seconds(s.training + s.pruning), `${format.seconds(s.training)} training, ${format.seconds(s.pruning)} pruning`];
    };

    const tiles = (run) => {
      const list = element('dl', { class: 'tiles' }), end = runs.final(run), dense = runs.dense(run);
      if (runs.trained(run)) {
        if (dense) tile(list, 'Before pruning', format.percent(dense.accuracy), `of the test images right after ${dense.epoch} epochs, before the first pruning step`);
        tile(list, dense ? 'Test accuracy, pruned' : 'Test accuracy', format.percent(end.accuracy),
          end.complete ? `after ${runs.epochs(run)} epochs; loss ${format.number(end.loss)}` : 'so far: the run has not come to its end');
        if (espalier.known(runs.done(run)?.price_of_sparsity)) {
          const done = runs.done(run);
          tile(list, 'Price of sparsity', `${format.signed(-100 * done.price_of_sparsity, 2)} points`,
            `± ${(100 * done.price_error).toFixed(2)} (standard error, one seed), against ${format.percent(done.twin_test_accuracy)} of the same network trained ${done.twin_epochs} epochs without pruning; ${
              format.count(done.only_twin_right)} test images are right only there, ${format.count(done.only_pruned_right)} only here`);
        }
        if (dense) tile(list, 'Sparsity', format.percent(end.sparsity), `of the weights that may be pruned; ${format.percent(end.sparsityOfAll)} of all parameters`);
        tile(list, 'Size on disk', ...size(run));
        tile(list, 'Multiply-adds', ...work(run));
      } else if (run.kind === 'sweep') {
        const cells = espalier.events(run, 'cell'), before = espalier.events(run, 'dense').at(-1);
        tile(list, 'Test accuracy, dense', format.percent(before?.test_accuracy), 'every cell starts from this network');
        tile(list, 'Cells', format.count(cells.length), `of ${format.count(runs.cellGroups(run).length)} combinations; ${cells.filter((c) => c.failed).length} could not be done`);
      } else if (run.kind === 'reproduce') {
        tile(list, 'Results', format.count(run.metrics.length), `of ${new Set(espalier.metrics(run).map((row) => row.part)).size} parts and ${new Set(espalier.metrics(run).map((row) => row.seed)).size} seeds`);
        tile(list, 'Time', format.seconds(espalier.metrics(run).reduce((sum, row) => sum + (espalier.known(row.seconds) ? row.seconds : 0), 0)), 'all runs');
      } else if (run.kind === 'curvature') {
        const rows = espalier.events(run, 'curvature');
        tile(list, 'Layers', format.count(new Set(rows.map((r) => r.layer)).size), 'whose curvature was measured');
        tile(list, 'Examples', format.count(Math.max(...rows.map((r) => r.examples))), 'at most');
      }
      if (run.kind !== 'reproduce') tile(list, 'Time', ...time(run));
      return list;
    };

    if (data.runs.length === 1) {
      container.append(element('p', { class: 'muted' }, `${run_words(data.runs[0])} Folder ${data.runs[0].folder}.`), tiles(data.runs[0]));
      return;
    }
    const rows = data.runs.map((run) => {
      const end = runs.final(run), s = runs.seconds(run);
      return { run: run.name, kind: run.kind, method: runs.trained(run) ? runs.method(run) : '–', dense: runs.dense(run)?.accuracy, accuracy: end.accuracy,
        price: espalier.known(runs.done(run)?.price_of_sparsity) ? `${(100 * runs.done(run).price_of_sparsity).toFixed(2)} ± ${(100 * runs.done(run).price_error).toFixed(2)}` : '–',
        sparsity: end.sparsity, size: runs.file(run, 'checkpoint.safetensors')?.deflated, seconds: s.training + s.pruning + s.other };
    });
    const card = element('div', { class: 'card' });
    container.append(card);
    espalier.table(card, { caption: 'Runs; size: of the checkpoint, compressed with zlib', rows, columns: [
      { name: 'run', title: 'Run' }, { name: 'kind', title: 'Kind', minor: true }, { name: 'method', title: 'Method', minor: true },
      { name: 'dense', title: 'Before pruning', numeric: true, minor: true, format: (v) => format.percent(v) },
      { name: 'accuracy', title: 'Final accuracy', numeric: true, format: (v) => format.percent(v) },
      { name: 'sparsity', title: 'Sparsity', numeric: true, format: (v) => format.percent(v) },
      { name: 'price', title: 'Price', about: 'test accuracy of the same network trained as long without pruning less that of this one, with its standard error', numeric: true },
      { name: 'size', title: 'Size', numeric: true, minor: true, format: (v) => format.bytes(v) },
      { name: 'seconds', title: 'Time', numeric: true, minor: true, format: (v) => format.seconds(v) }] });

    function run_words(run) {
      const model = runs.type(run.config?.model), source = runs.type(run.config?.data?.source);
      const of = [model, source].every((word) => word) ? `${model} on ${source}` : 'a network';
      if (run.kind === 'prune') return `${of}, pruned by ${runs.method(run)}.`;
      if (run.kind === 'sweep') return `One-shot pruning of ${of}, in every combination that the config lists.`;
      if (run.kind === 'curvature') return `Curvature of ${of}.`;
      if (run.kind === 'reproduce') return `${run.experiment?.title ?? 'An experiment'}: the results of espalier reproduce.`;
      return `${of}, trained.`;
    }
  },
});

// accuracy_sparsity.js: what accuracy is left at each sparsity, of all runs and sweeps, with published rows in grey.
espalier.section({
  id: 'accuracy-sparsity', part: 'happened', title: 'Accuracy against sparsity',
  needs: (data) => data.runs.some((run) => run.kind === 'sweep') || data.runs.filter(espalier.runs.trained).length > 1
    || (data.published.some((table) => table.of === undefined) && data.runs.some(espalier.runs.trained)),
  draw(container, data) {
    const { element, runs, spec, known, events } = espalier;

    /** {label, method, group, rows: [{sparsity, accuracy, what}]} of every line that could be drawn. */
    const of_run = (run) => {
      const end = runs.final(run), dense = runs.dense(run);
      const done = runs.done(run), steps = runs.steps(run);
      const rows = [...(dense ? [{ sparsity: steps[0].sparsity_before, accuracy: dense.accuracy, epoch: dense.epoch, what: 'dense, before the first step' }] : []),
        ...steps.map((row) => ({ sparsity: row.sparsity, accuracy: row.test_accuracy, epoch: row.epoch, what: 'just after pruning' })),
        ...(end.complete && runs.epochs(run) > 0 ? [{ sparsity: dense ? end.sparsity : 0, accuracy: end.accuracy, epoch: runs.epochs(run), what: 'at the end', name: run.name }] : []),
        ...(known(done?.twin_test_accuracy) ? [{ sparsity: 0, accuracy: done.twin_test_accuracy, epoch: done.twin_epochs, what: 'dense twin, trained as long', name: run.name }] : [])];
      // A line joins networks of one moment only: between points of a run that trained there are epochs.
      const joined = new Set(rows.map((row) => row.epoch)).size === 1;
      return [{ label: run.name, method: runs.method(run), group: 'runs', joined, rows }];
    };
    const of_sweep = (run) => runs.cellGroups(run).map((group) => ({
      label: data.runs.length > 1 ? `${run.name}: ${group.label}` : group.label, method: group.criterion, group: group.criterion,
      rows: group.cells.map((cell) => ({ sparsity: cell.sparsity ?? cell.target, accuracy: cell.test_accuracy, what: 'one-shot' })) }));
    const published = data.published.filter((table) => table.of === undefined).flatMap((table) => table.rows.map((row) => ({
      label: `published: ${row.method}`, method: 'published', group: 'published',
      rows: Object.entries(row.accuracy).map(([sparsity, accuracy]) => ({ sparsity: Number(sparsity), accuracy: accuracy / 100, what: 'published' })) })));
    const ours = data.runs.flatMap((run) => (run.kind === 'sweep' ? of_sweep(run) : runs.trained(run) ? of_run(run) : []))
      .map((line) => ({ ...line, rows: line.rows.filter((row) => known(row.sparsity) && known(row.accuracy)) })).filter((line) => line.rows.length > 0);
    const dense = data.runs.flatMap((run) => [events(run, 'dense').at(-1)?.test_accuracy, runs.dense(run)?.accuracy]).find(known);

    const mean = (line) => line.rows.reduce((sum, row) => sum + row.accuracy, 0) / line.rows.length;
    const best = (lines) => [...new Set(lines.map((line) => line.group))].flatMap((group) => {
      const mine = lines.filter((line) => line.group === group);
      return group === 'runs' ? mine : [mine.reduce((a, b) => (mean(b) > mean(a) ? b : a))];
    });
    const groups = [...new Set(ours.map((line) => line.group))];
    const choices = { best: 'the best of each method, by mean accuracy', all: `all ${ours.length}` };
    const swept = data.runs.some((run) => run.kind === 'sweep');
    const state = { show: ours.length > 8 ? 'best' : 'all', view: swept && !data.runs.some(runs.trained) ? 'best' : 'close', log: swept, published: true };
    const bar = espalier.toolbar(container), body = element('div');
    container.append(body);
    const draw = () => {
      body.replaceChildren();
      const mine = state.show === 'all' ? ours : state.show === 'best' ? best(ours) : ours.filter((line) => line.group === state.show);
      const lines = [...mine, ...(state.published ? published : [])];
      const below = [...lines].reverse();  // published rows are drawn first, ours above them
      const top = new Map();  // the best of ours at each sparsity
      for (const row of mine.flatMap((line) => line.rows)) top.set(row.sparsity.toFixed(3), Math.max(top.get(row.sparsity.toFixed(3)) ?? 0, row.accuracy));
      const behind = state.view === 'best';
      const rows = below.flatMap((line) => line.rows.map((row) => ({ series: line.label, joined: line.joined !== false, left: 1 - row.sparsity, ...row,
        ...(behind ? { behind: row.accuracy - top.get(row.sparsity.toFixed(3)) } : {}) }))).filter((row) => !behind || known(row.behind));
      if (rows.length === 0) return espalier.notice(body, 'Nothing of this choice has an accuracy to be held against.');
      const sources = data.published.filter((table) => table.of === undefined).map((table) => table.source).filter(Boolean);
      const series = { scale: 'colour', field: 'series' }, dashed = { scale: 'dash', field: 'series' };
      const low = state.view === 'near' && known(dense) ? dense - 0.1 : undefined, y = behind ? 'behind' : 'accuracy';
      const own = rows.filter((row) => row.what !== 'published').map((row) => row.behind), reach = Math.max(0.002, -Math.min(0, ...own));
      const highest = Math.max(...rows.map((r) => r.accuracy));
      const y_axis = behind ? { title: 'test accuracy less the best at that sparsity', format: '+.1~%', domain: [-1.08 * reach, 0.08 * reach], nice: false }
        : { title: 'test accuracy', format: '.1~%', ...(state.view === 'whole' ? { domain: [0, 1] } : low !== undefined ? { domain: [low, Math.min(1, highest + 0.01)] } : {}) };
      return espalier.chart(body, {
        title: 'Accuracy against sparsity', name: 'accuracy_against_sparsity', rows,
        guide: `${behind ? 'At each sparsity the best of ours is at zero; what lies below loses so much against it. Published rows far below are cut off. ' : 'Higher and further to the right is better. '}${
          rows.some((row) => !row.joined) ? 'Points of a run that trained in between are of different epochs, so no line joins them; filled: at the end. ' : ''} ${data.runs.some((run) => run.kind === 'sweep') ? 'Cells of a sweep are one-shots from one dense network, without training after. ' : ''}${
          known(dense) ? 'The dotted line is the dense network. ' : ''}${published.length > 0 && state.published ? `Grey: published${sources.length > 0 ? ` (${sources.join('; ')})` : ''}.` : ''}`,
        spec: ({ theme }) => {
          const scales = espalier.seriesScales(lines), x = state.log ? 'left' : 'sparsity';
          const [least, most] = [Math.min(...rows.map((row) => row[x])), Math.max(...rows.map((row) => row[x]))];
          const x_axis = state.log ? { title: 'weights left (logarithmic)', type: 'log', reverse: true, domain: [least / 1.15, Math.min(1.1, most * 1.15)], format: '.0~%', values: [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1] }
            : { title: 'sparsity', domain: [Math.max(-0.01, least - 0.02), Math.min(1.005, most + 0.02)], format: '.0~%', nice: false };
          const drawn = spec.xy({
            height: 380, scales, x: { field: x, ...x_axis },
            y: { field: y, ...y_axis },
            data: [{ name: 'dense', values: known(dense) && !behind ? [{ dense }] : [] }, { name: 'lines', source: 'rows', transform: [{ type: 'filter', expr: 'datum.joined' }] },
              { name: 'ends', source: 'rows', transform: [{ type: 'filter', expr: 'isValid(datum.name)' }] }],
            legends: [spec.legend('stroke', 'colour', undefined, { shape: 'shape', symbolStrokeWidth: 2, symbolFillColor: 'transparent', each: data.runs.length > 1 ? 300 : 220 })],
            marks: [
              { type: 'rule', from: { data: 'dense' }, encode: { update: { x: { value: 0 }, x2: { signal: 'width' }, y: { scale: 'y', field: 'dense' }, stroke: { value: theme.muted }, strokeDash: { value: [1, 3] } } } },
              { type: 'group', from: { facet: { name: 'faceted', data: 'lines', groupby: 'series' } }, clip: true, marks: [{ type: 'line', from: { data: 'faceted' },
                encode: { update: { x: { scale: 'x', field: x }, y: { scale: 'y', field: y }, stroke: series, strokeDash: dashed, strokeWidth: { value: 1.8 }, opacity: { signal: "datum.what === 'published' ? 0.7 : 1" } } } }],
                encode: { update: { width: { signal: 'width' }, height: { signal: 'height' } } } },
              { type: 'symbol', from: { data: 'rows' }, clip: true, encode: { update: { x: { scale: 'x', field: x }, y: { scale: 'y', field: y }, shape: { scale: 'shape', field: 'series' }, size: { value: 50 },
                fill: { signal: `datum.what === 'at the end' ? scale('colour', datum.series) : '${theme.background}'` }, stroke: series, strokeWidth: { value: 1.6 },
                tooltip: { signal: spec.hint({ '': 'datum.series', sparsity: "format(datum.sparsity, '.2%')", accuracy: "format(datum.accuracy, '.2%')", state: 'datum.what', epochs: "isValid(datum.epoch) ? datum.epoch : ''" }) } } } },
              { type: 'text', from: { data: 'ends' }, encode: { update: { x: { scale: 'x', field: x }, y: { scale: 'y', field: y }, dy: { value: -10 }, align: { signal: `scale('x', datum.${x}) > width / 2 ? 'right' : 'left'` }, fontSize: { value: 10.5 },
                text: { signal: "datum.what === 'at the end' ? datum.name : datum.name + ', dense twin'" }, fill: { value: theme.muted } } } },
            ],
          });
          return drawn;
        },
      });
    };
    if (ours.length > 1)
      espalier.choice(bar, { label: 'Show', value: state.show, onChange: (show) => { state.show = show; return draw(); },
        options: [...Object.entries(choices).map(([value, label]) => ({ value, label })), ...(groups.length > 1 ? groups.map((group) => ({ value: group, label: `only ${group}` })) : [])] });
    if (published.length > 0)
      espalier.choice(bar, { label: 'Published rows', value: true, onChange: (shown) => { state.published = shown; return draw(); }, options: [{ value: true, label: 'in grey' }, { value: false, label: 'hidden' }] });
    espalier.choice(bar, { label: 'Accuracy axis', value: state.view, onChange: (view) => { state.view = view; return draw(); }, options: [
      ...(swept ? [{ value: 'best', label: 'less the best at that sparsity' }] : []), { value: 'close', label: 'what is there' }, ...(known(dense) ? [{ value: 'near', label: 'within 10 points of dense' }] : []), { value: 'whole', label: 'from 0 to 100 %' }] });
    espalier.choice(bar, { label: 'Sparsity axis', value: state.log, onChange: (log) => { state.log = log; return draw(); }, options: [{ value: false, label: 'linear' }, { value: true, label: 'logarithmic in what is left' }] });
    return draw();
  },
});

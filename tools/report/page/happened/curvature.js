// curvature.js: a curvature study: how alike Hessian and Fishers are over the number of examples, their largest
// eigenvalues, and what lies within blocks on their diagonals. Every number is one of a row of "curvature".
espalier.section({
  id: 'curvature', part: 'happened', title: 'Curvature: Hessian and Fishers',
  needs: (data) => data.runs.some((run) => espalier.runs.curvature(run).length > 0),
  draw(container, data) {
    const { element, runs, spec, known, format } = espalier;
    const titles = runs.matrices;
    const unique = (list) => [...new Set(list)];
    /** The matrices in the order of the config: the first is what the others are compared with. */
    const kinds_of = (rows) => unique(rows.flatMap(Object.keys).filter((key) => key.startsWith('trace.')).map((key) => key.slice('trace.'.length)))
      .filter((kind) => Object.hasOwn(titles, kind));

    const cosine = (row) => (row.dense === false ? ['diagonal_cosine', 'cosine of the diagonals'] : ['cosine', 'cosine of the matrices']);
    const ranks = ['rank_correlation', 'rank correlation of the diagonals'];
    const likeness_of = (row, kinds) => kinds.slice(1).flatMap((kind) => [cosine(row), ranks].map(([quantity, measure]) => (
      { layer: row.layer, examples: row.examples, matrix: titles[kind], measure, value: row[`${quantity}.${kind}`] }))).filter(({ value }) => known(value));
    /** Numbers named "PREFIX_N.KIND", as rows with N as `index` and the number as `value`, in the order of N. */
    const numbered = (row, prefix, kinds, index, value) => kinds.flatMap((kind) => Object.keys(row)
      .map((key) => [key, key.match(/^(\w+)_(\d+)\.(\w+)$/)]).filter(([key, m]) => m && m[1] === prefix && m[3] === kind && known(row[key]))
      .map(([key, m]) => ({ layer: row.layer, examples: row.examples, matrix: titles[kind], [index]: Number(m[2]), [value]: row[key] }))
      .sort((a, b) => a[index] - b[index]));

    /** A logarithmic axis with a tick at each of `values`, also where there is but one. */
    const log_axis = (field, title, values) => ({ field, title, values, type: 'log', nice: false, format: ',d', padding: 10, axis: { labelOverlap: 'greedy' },
      domain: values.length > 1 ? [Math.min(...values), Math.max(...values)] : [values[0] / 2, values[0] * 2] });
    /** One colour per matrix. */
    const looks = (kinds) => ({ domain: kinds.map((kind) => titles[kind]), range: kinds.map((kind) => espalier.methodColour(kind)), each: 190 });
    // The exact true Fisher may lie on the Hessian, so it is dashed and has smaller points.
    const dash = { signal: `datum.matrix === '${titles.true_fisher}' ? [6, 4] : [1, 0]` };
    const curves = (x, y, tooltip) => [
      spec.line({ x, y, series: 'matrix', dash }),
      spec.points({ x, y, series: 'matrix', size: { signal: `datum.matrix === '${titles.true_fisher}' ? 22 : 60` }, tooltip: { matrix: 'datum.matrix', ...tooltip } })];

    const draw_likeness = (place, layer, rows, kinds) => {
      const shown = rows.flatMap((row) => likeness_of(row, kinds)), measures = [cosine(rows[0])[1], ranks[1]];
      if (shown.length === 0) return null;
      const parts = [{ name: 'cosines', dash: [1, 0], shape: 'circle' }, { name: 'ranks', dash: [6, 4], shape: 'square' }];
      return espalier.chart(place, {
        title: `${layer}: likeness to the ${titles[kinds[0]]}`, name: `curvature_likeness_${layer}`, rows: shown,
        guide: `Solid, circles: ${measures[0]}, taken as vectors; 1: equal but for a factor. Dashed, squares: Spearman's ${measures[1]}; 1: they put the weights in the same order.`,
        spec: () => spec.xy({
          x: log_axis('examples', 'training examples (logarithmic)', unique(shown.map((row) => row.examples))), y: { field: 'value', title: 'likeness' },
          colour: looks(kinds.slice(1)),
          data: parts.map(({ name }, i) => ({ name, source: 'rows', transform: [{ type: 'filter', expr: `datum.measure === '${measures[i]}'` }] })),
          marks: parts.flatMap(({ name, dash, shape }) => [spec.line({ x: 'examples', y: 'value', series: 'matrix', dash: { value: dash }, data: name }),
            spec.points({ x: 'examples', y: 'value', series: 'matrix', shape, data: name,
              tooltip: { matrix: 'datum.matrix', measure: 'datum.measure', examples: 'datum.examples', value: "format(datum.value, '.4f')" } })]),
        }),
      });
    };
    const draw_eigenvalues = (place, row, kinds) => {
      const shown = numbered(row, 'eigenvalue', kinds, 'rank', 'eigenvalue'), open = kinds.filter((kind) => row[`eigenvalues_settled.${kind}`] === 0);
      if (shown.length === 0) return null;
      return espalier.chart(place, {
        title: `${row.layer}: largest eigenvalues`, name: `curvature_eigenvalues_${row.layer}`, rows: shown,
        guide: `The bend of the loss along the directions in which it bends most, over ${format.count(row.examples)} examples. A steep fall: a few directions hold most of the curvature.${
          kinds.includes('true_fisher') ? ' Dashed: the exact true Fisher, which may lie on the Hessian.' : ''}${
          open.length > 0 ? ` Not settled within curvature.lanczos_steps, so too small rather than too large: ${open.map((kind) => titles[kind]).join(', ')}.` : ''}`,
        spec: () => spec.xy({
          x: { field: 'rank', title: 'rank', nice: false, padding: 10, format: 'd', axis: { tickMinStep: 1 } },
          y: { field: 'eigenvalue', title: 'eigenvalue', format: '~g', ...espalier.lossScale(shown.map(({ eigenvalue }) => eigenvalue), false), nice: false }, colour: looks(kinds),
          marks: curves('rank', 'eigenvalue', { rank: 'datum.rank', eigenvalue: "format(datum.eigenvalue, '.4~g')" }),
        }),
      });
    };
    const draw_blocks = (place, row, kinds) => {
      const shown = numbered(row, 'mass', kinds, 'block', 'share');
      if (shown.length === 0) return null;
      return espalier.chart(place, {
        title: `${row.layer}: what blocks on the diagonal hold`, name: `curvature_blocks_${row.layer}`, rows: shown,
        guide: `Share of the sum of all squared entries that lies within diagonal blocks, over ${format.count(row.examples)} examples. Blocks of one are the diagonal alone; what is missing to 100 % is what fisher_block_size takes for zero.`,
        spec: () => spec.xy({
          x: log_axis('block', 'weights per block (logarithmic)', unique(shown.map(({ block }) => block))), y: { field: 'share', title: 'share', domain: [0, 1], format: '.0%' },
          colour: looks(kinds), marks: curves('block', 'share', { block: 'datum.block', share: "format(datum.share, '.2%')" }),
        }),
      });
    };

    const draw_table = (place, rows, kinds) => {
      const lines = rows.flatMap((row) => kinds.map((kind) => ({ layer: row.layer, weights: row.weights, examples: row.examples, matrix: titles[kind],
        ...Object.fromEntries(['trace', 'norm', 'eigenvalue_1', 'cosine', 'norm_ratio', 'rank_correlation'].map((name) => [name, row[`${name}.${kind}`]])) })));
      const number = (name, title) => ({ name, title, numeric: true, format: (v) => format.number(v) });
      const box = element('details', { class: 'card', open: lines.length <= 40 }, element('summary', {}, `All layers: ${format.count(lines.length)} rows`));
      place.append(box);
      espalier.table(box, { caption: `Cosine, ratio of norms and rank correlation are to the ${titles[kinds[0]]}`, rows: lines, columns: [
        { name: 'layer', title: 'Layer' }, { name: 'weights', title: 'Weights', numeric: true, format: format.count }, { name: 'examples', title: 'Examples', numeric: true, format: format.count },
        { name: 'matrix', title: 'Matrix' }, number('trace', 'Trace'), number('norm', 'Norm'), number('eigenvalue_1', 'Largest eigenvalue'),
        number('cosine', 'Cosine'), number('norm_ratio', 'Ratio of norms'), number('rank_correlation', 'Rank correlation')] });
    };

    /** What the study was made of, in a sentence or two. */
    const about = (run, rows) => {
      const start = [...run.metrics, ...(run.curvature || [])].find((row) => row.event === 'start' && typeof row.checkpoint === 'string');
      const errors = rows.map((row) => row.hessian_error).filter(known);
      return `Means over training examples${start ? `, at ${start.checkpoint === '' ? 'fresh weights' : `the weights of ${start.checkpoint}`}` : ''}.${
        errors.length > 0 ? ` Hessians differ from Hessian-vector products by at most ${format.number(Math.max(...errors), 2)} of their length.` : ''}`;
    };

    // A study that is itself a run of the page is not shown as that of its folder, too.
    const listed = (run) => data.runs.some((other) => other.kind === 'curvature' && other.folder === `${run.folder.replace(/\/$/, '')}/curvature`);
    return runs.each(container, data.runs.filter((run) => runs.curvature(run).length > 0 && !listed(run)), async (place, run) => {
      const rows = runs.curvature(run), kinds = kinds_of(rows), layers = unique(rows.map((row) => row.layer));
      place.append(element('p', { class: 'muted' }, about(run, rows)));
      const bar = espalier.toolbar(place), figures = element('div', { class: 'figures' });
      const of_layer = (layer) => rows.filter((row) => row.layer === layer).sort((a, b) => a.examples - b.examples);
      const show = async (layer) => {
        figures.replaceChildren();
        const mine = of_layer(layer), last = mine.at(-1);
        if (last.dense === false) espalier.notice(figures, `${layer} has ${format.count(last.weights)} weights, more than curvature.max_dense: its matrices were not formed, so there are diagonals and eigenvalues, but no blocks.`);
        await draw_likeness(figures, layer, mine, kinds);
        await draw_eigenvalues(figures, last, kinds);
        await draw_blocks(figures, last, kinds);
      };
      espalier.choice(bar, { label: 'Layer', value: layers[0], onChange: show, options: layers.map((layer) => ({ value: layer, label: `${layer} (${format.count(of_layer(layer)[0].weights)} weights)` })) });
      place.append(figures);
      await show(layers[0]);
      draw_table(place, rows, kinds);
    });
  },
});

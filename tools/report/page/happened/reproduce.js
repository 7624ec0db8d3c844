// reproduce.js: an experiment's tables: every part as accuracy over what it varies, all seeds, beside published rows.
espalier.section({
  id: 'reproduce', part: 'happened', title: 'The experiment, part by part',
  needs: (data) => data.runs.some((run) => run.kind === 'reproduce'),
  draw(container, data) {
    const { element, runs, spec, known, format } = espalier;
    const mean = (list) => list.reduce((sum, v) => sum + v, 0) / list.length;
    const deviation = (list) => (list.length > 1 ? Math.sqrt(list.reduce((sum, v) => sum + (v - mean(list)) ** 2, 0) / (list.length - 1)) : undefined);
    const number = (text) => (text !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined);
    const value_text = (text) => (number(text) !== undefined && number(text) > 0 && number(text) < 1 ? format.percent(number(text), 1) : String(text));

    return runs.each(container, data.runs.filter((run) => run.kind === 'reproduce'), async (place, run) => {
      const results = espalier.metrics(run), scored = results.filter((row) => known(row.test_accuracy)), failed = results.filter((row) => row.failed);
      const table_of = data.published.find((table) => table.of === run.folder) ?? { rows: [] };
      const described = new Map((Array.isArray(run.experiment?.parts) ? run.experiment.parts : []).map((part) => [part.name, part]));
      if (failed.length > 0) espalier.notice(place, `${failed.length} runs could not be done; they are left out: ${failed.slice(0, 5).map((row) => row.run).join(', ')}${failed.length > 5 ? ', ...' : ''}.`);
      for (const part of new Set(scored.map((row) => row.part))) {
        const mine = scored.filter((row) => row.part === part), methods = [...new Set(mine.map((row) => row.method))], values = [...new Set(mine.map((row) => row.value))];
        const of = (method, value) => mine.filter((row) => row.method === method && row.value === value).map((row) => row.test_accuracy);
        const seeds = new Set(mine.map((row) => row.seed)).size;
        const card = element('div', { class: 'card' }, element('h3', {}, described.get(part)?.title ?? String(part)),
          element('p', { class: 'guide' }, `${seeds > 1 ? `Mean test accuracy over ${seeds} seeds and its standard deviation` : 'Test accuracy, one seed'}${described.get(part)?.vary ? `, at each ${described.get(part).vary}` : ''}.`));
        place.append(card);
        espalier.table(card, { caption: String(part), rows: methods.map((method) => ({ method: method || '–', ...Object.fromEntries(values.map((value, i) => [`v${i}`, of(method, value)])) })),
          columns: [{ name: 'method', title: 'Method' }, ...values.map((value, i) => ({ name: `v${i}`, title: value_text(value), numeric: true,
            format: (list) => (list.length === 0 ? '–' : `${format.percent(mean(list))}${deviation(list) === undefined ? '' : ` ± ${(100 * deviation(list)).toFixed(2)}`}`) }))] });
        const about = described.get(part), varied = about?.vary ? about.vary.split('.').at(-1).replaceAll('_', ' ') : about?.every_level ? 'sparsity' : about?.verb === 'curvature' ? 'training examples' : 'sparsity';
        const axis = { final_sparsity: 'sparsity', 'final sparsity': 'sparsity' }[varied] ?? varied, shares = axis === 'sparsity';
        const numeric = values.filter((value) => number(value) !== undefined);
        if (numeric.length < 2) continue;
        const means = methods.flatMap((method) => numeric.map((value) => ({ method, value: number(value), accuracy: of(method, value) }))).filter((row) => row.accuracy.length > 0)
          .map((row) => ({ ...row, seeds: row.accuracy.length, accuracy: mean(row.accuracy) })).sort((a, b) => a.value - b.value);
        const named = new Set((Array.isArray(about?.methods) ? about.methods : []).map((method) => method.published).filter(Boolean));
        const beside = !shares ? [] : table_of.rows.filter((row) => named.size === 0 || named.has(row.method)).map((row) => ({ method: `published: ${row.method}`,
          points: Object.entries(row.accuracy).filter(([value]) => numeric.some((v) => Math.abs(number(v) - Number(value)) < 1e-9)) })).filter((row) => row.points.length > 0);
        means.push(...beside.flatMap((row) => row.points.map(([value, accuracy]) => ({ method: row.method, value: Number(value), seeds: undefined, accuracy: accuracy / 100 }))));
        const series = [...methods.map((method) => ({ label: method, method })), ...beside.map((row) => ({ label: row.method, method: 'published' }))];
        await espalier.chart(place, {
          title: `${described.get(part)?.title ?? part}: accuracy`, name: `reproduce_${part}`, rows: means, columns: ['method', 'value', 'seeds', 'accuracy'],
          guide: `${seeds > 1 ? 'Means over the seeds. ' : ''}${beside.length > 0 ? `Grey: published${table_of.source ? ` (${table_of.source})` : ''}. ` : ''}Methods of one colour share their criterion; symbols tell them apart.`,
          spec: () => spec.xy({
            height: 320, scales: espalier.seriesScales(series), x: { field: 'value', title: axis, nice: false, padding: 12, format: shares ? '.1~%' : '~g' }, y: { field: 'accuracy', title: 'test accuracy', format: '.1~%' },
            legends: [spec.legend('stroke', 'colour', undefined, { shape: 'shape', symbolStrokeWidth: 2, symbolFillColor: 'transparent', each: 220 })],
            marks: [spec.line({ x: 'value', y: 'accuracy', series: 'method', dash: { scale: 'dash', field: 'method' } }),
              spec.points({ x: 'value', y: 'accuracy', series: 'method', shape: { scale: 'shape', field: 'method' }, tooltip: { '': 'datum.method', value: 'datum.value', accuracy: "format(datum.accuracy, '.2%')", seeds: 'datum.seeds' } })],
          }),
        });
      }
    });
  },
});

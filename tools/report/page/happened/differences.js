// differences.js: of several runs, the settings in which they differ: before what came of them.
espalier.section({
  id: 'differences', part: 'happened', title: 'What differs',
  needs: (data) => data.runs.filter((run) => run.config).length > 1,
  draw(container, data) {
    const { element } = espalier;
    const flat = (value, path = '') => (value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, v]) => flat(v, path ? `${path}.${key}` : key)) : [[path, JSON.stringify(value)]]);
    const settings = data.runs.filter((run) => run.config).map((run) => ({ run, values: new Map(flat(run.config)) }));
    const paths = [...new Set(settings.flatMap(({ values }) => [...values.keys()]))].filter((path) => !path.startsWith('provenance.') && path !== 'name')
      .filter((path) => new Set(settings.map(({ values }) => values.get(path))).size > 1);
    const card = element('div', { class: 'card' });
    container.append(card);
    if (paths.length === 0) {
      card.append(element('p', {}, 'The runs have the same settings.'));
      return;
    }
    const table = (place, list, caption) => espalier.table(place, { caption,
      columns: [{ name: 'path', title: 'Setting' }, ...settings.map(({ run }, i) => ({ name: `v${i}`, title: run.name }))],
      rows: list.map((path) => ({ path, ...Object.fromEntries(settings.map(({ values }, i) => [`v${i}`, values.get(path) ?? '–'])) })) });
    const shown = 15;
    table(card, paths.slice(0, shown), `Settings in which the runs differ (${paths.length})`);
    if (paths.length <= shown) return;
    const more = element('details', {}, element('summary', {}, `${paths.length - shown} more`));
    card.append(more);
    table(more, paths.slice(shown), 'More settings in which they differ');
  },
});

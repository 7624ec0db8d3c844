// repeat.js: what made the run, and the command that makes it again.
espalier.section({
  id: 'repeat', part: 'happened', title: 'Settings, and how to repeat it',
  needs: (data) => data.runs.some((run) => run.config),
  draw(container, data) {
    const { element, runs } = espalier;
    const quoted = (path) => (/^[A-Za-z0-9_./=+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
    /** Settings that differ between runs, or all that describe the method, as "path: value". */
    const flat = (value, path = '') => (value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.entries(value).flatMap(([key, v]) => flat(v, path ? `${path}.${key}` : key)) : [[path, JSON.stringify(value)]]);

    if (data.runs.length > 1) {
      const settings = data.runs.filter((run) => run.config).map((run) => ({ run, values: new Map(flat(run.config)) }));
      const paths = [...new Set(settings.flatMap(({ values }) => [...values.keys()]))].filter((path) => !path.startsWith('provenance.'))
        .filter((path) => new Set(settings.map(({ values }) => values.get(path))).size > 1);
      const card = element('details', { open: paths.length <= 15 }, element('summary', {}, `${paths.length} settings in which the runs differ`));
      container.append(card);
      espalier.table(card, { caption: 'Settings in which the runs differ',
        columns: [{ name: 'path', title: 'Setting' }, ...settings.map(({ run }, i) => ({ name: `v${i}`, title: run.name }))],
        rows: paths.map((path) => ({ path, ...Object.fromEntries(settings.map(({ values }, i) => [`v${i}`, values.get(path) ?? '–'])) })) });
    }
    return runs.each(container, data.runs.filter((run) => run.config), (place, run) => {
      const provenance = run.config.provenance || {};
      const verb = run.kind === 'curvature' ? 'curvature' : run.kind;
      const folder = run.kind === 'curvature' ? run.folder.replace(/\/curvature$/, '') : run.folder;
      place.append(
        element('p', {}, 'The recorded config has every setting at its resolved value. The same config and seed give the same bits on the same machine, on any number of threads:'),
        element('pre', { tabindex: '0' }, `build/release/espalier ${verb} ${quoted(`${run.folder}/config.json`)} --output ${quoted(`${folder}-again`)}`));
      espalier.table(place, { caption: 'Recorded with the run', columns: [{ name: 'what', title: '' }, { name: 'value', title: '' }], rows: [
        { what: 'seed', value: run.config.seed }, { what: 'data (SHA-256)', value: provenance.data_hash || '–' },
        { what: 'program version', value: provenance.version || '–' }, { what: 'threads', value: provenance.threads ?? '–' }] });
      place.append(element('details', {}, element('summary', {}, 'config.json'), element('pre', { tabindex: '0' }, JSON.stringify(run.config, null, 2))));
    });
  },
});

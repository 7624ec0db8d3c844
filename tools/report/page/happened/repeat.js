// repeat.js: what made the run, and the command that makes it again.
espalier.section({
  id: 'repeat', part: 'happened', title: 'Settings, and how to repeat it', folded: true,
  needs: (data) => data.runs.some((run) => run.config),
  draw(container, data) {
    const { element, runs } = espalier;
    const quoted = (path) => (/^[A-Za-z0-9_./=+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
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

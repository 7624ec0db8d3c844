// start.js: draws all sections in order, then sets data-state="drawn" on the root element.
(async () => {
  const { element, data } = espalier;
  const names = data.runs.map((run) => run.name);
  const title = names.length === 1 ? names[0] : `${names.length} runs compared`;
  document.getElementById('title').textContent = title;
  document.getElementById('made').textContent = `Written by espalier ${data.version}. All data are in this file; nothing is fetched.`;
  espalier.choice(document.getElementById('theme'), { label: 'Colours', value: 'auto', onChange: espalier.setTheme,
    options: [{ value: 'auto', label: 'as the system' }, { value: 'light', label: 'light' }, { value: 'dark', label: 'dark' }] });

  const parts = { happened: 'What happened', why: 'Why: the visual tour' };
  const root = document.getElementById('sections'), contents = document.getElementById('contents');
  const problem = (container, what, error) => {
    console.error(error);
    espalier.notice(container, `${what} could not be drawn (${error.message}).`);
  };
  for (const [part, heading] of Object.entries(parts)) {
    const wanted = espalier.sections.filter((s) => {
      try { return s.part === part && s.needs(data); } catch (error) { console.error(error); return false; }
    });
    if (wanted.length === 0) continue;
    root.append(element('p', { class: 'part', id: part }, heading));
    contents.append(element('ul', { 'aria-label': heading }, wanted.map((s) => element('li', {}, element('a', { href: `#${s.id}` }, s.title)))));
    for (const s of wanted) {
      const body = element('div', { class: 'body' });
      root.append(element('section', { id: s.id, 'aria-labelledby': `${s.id}-title` }, element('h2', { id: `${s.id}-title` }, s.title), body));
      try { await s.draw(body, data); } catch (error) { problem(body, s.title, error); }
      await new Promise((resume) => { setTimeout(resume); });  // what is drawn appears before all is
    }
  }
  document.documentElement.dataset.state = 'drawn';
})();

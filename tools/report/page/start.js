// start.js: draws all sections in order, then sets data-state="drawn" on the root element. A section that begins folded is
// drawn when it is opened: by its heading, by the contents, by a link, or by espalier.unfold().
(async () => {
  const { element, data } = espalier;
  const names = data.runs.map((run) => run.name);
  const title = names.length === 1 ? names[0] : `${names.length} runs compared`;
  document.getElementById('title').textContent = title;
  document.getElementById('made').textContent = `Written by espalier ${data.version}. All data are in this file; nothing is fetched.`;
  espalier.choice(document.getElementById('theme'), { label: 'Colours', value: 'auto', onChange: espalier.setTheme,
    options: [{ value: 'auto', label: 'as the system' }, { value: 'light', label: 'light' }, { value: 'dark', label: 'dark' }] });

  const parts = { happened: 'What happened', why: 'Why: the visual tour' };
  const root = document.getElementById('sections'), contents = document.getElementById('contents'), toc = document.getElementById('toc');
  const problem = (container, what, error) => {
    console.error(error);
    espalier.notice(container, `${what} could not be drawn (${error.message}).`);
  };
  try {
    const verdict = document.getElementById('verdict'), words = espalier.verdict(data);
    verdict.textContent = words;
    verdict.hidden = words === '';
  } catch (error) { problem(root, 'The verdict', error); }

  const placed = [];  // {id, title, section, fold, link, draw()}
  const place = (s) => {
    const body = element('div', { class: 'body' });
    const fold = element('details', { class: 'fold', open: !s.folded }, element('summary', {}, element('h2', { id: `${s.id}-title` }, s.title)), body);
    const section = element('section', { id: s.id, 'aria-labelledby': `${s.id}-title` }, fold);
    let drawing = null;
    const draw = () => (drawing ??= (async () => {
      try { await s.draw(body, data); } catch (error) { problem(body, s.title, error); }
    })());
    fold.addEventListener('toggle', () => { if (fold.open) draw(); });
    root.append(section);
    const link = element('a', { href: `#${s.id}` }, s.title);
    placed.push({ id: s.id, title: s.title, section, fold, link, draw });
    return link;
  };
  for (const [part, heading] of Object.entries(parts)) {
    const wanted = espalier.sections.filter((s) => {
      try { return s.part === part && s.needs(data); } catch (error) { console.error(error); return false; }
    });
    if (wanted.length === 0) continue;
    root.append(element('p', { class: 'part', id: part }, heading));
    const links = wanted.map(place);
    contents.append(element('p', { class: 'part-name' }, heading), element('ul', { 'aria-label': heading }, links.map((link) => element('li', {}, link))));
  }

  /** Opens every section; the promise is kept when all are drawn. */
  espalier.unfold = async () => {
    for (const one of placed) {
      one.fold.open = true;
      await one.draw();
    }
  };
  const unfold = element('button', { type: 'button', on: { click: () => espalier.unfold() } }, 'Open all chapters');
  contents.append(unfold);
  window.addEventListener('beforeprint', () => espalier.unfold());

  /** Opens the section that the address names, also that of a figure in it. */
  const follow = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const one = target && placed.find(({ section }) => section.contains(target));
    if (!one) return;
    one.fold.open = true;
    one.draw().then(() => target.scrollIntoView());
  };
  window.addEventListener('hashchange', follow);
  contents.addEventListener('click', (event) => {
    const one = placed.find(({ link }) => link === event.target);
    if (!one) return;
    one.fold.open = true;
    if (!wide.matches) toc.open = false;
  });

  // Beside the text where there is room, else a bar at the top that says where the reader is.
  const wide = window.matchMedia('(min-width: 1240px)');
  const arrange = () => { toc.open = wide.matches; };
  wide.addEventListener('change', arrange);
  arrange();
  const here = document.getElementById('here');
  let marked = null, waiting = false;
  const mark = () => {
    waiting = false;
    const now = placed.filter(({ section }) => section.getBoundingClientRect().top < 140).at(-1) ?? placed[0];
    if (!now || now === marked) return;
    marked?.link.removeAttribute('aria-current');
    now.link.setAttribute('aria-current', 'true');
    here.textContent = now.title;
    marked = now;
  };
  window.addEventListener('scroll', () => { if (!waiting) { waiting = true; requestAnimationFrame(mark); } }, { passive: true });
  mark();

  for (const one of placed)
    if (one.fold.open) {
      await one.draw();
      await new Promise((resume) => { setTimeout(resume); });  // what is drawn appears before all is
    }
  if (location.hash) follow();
  document.documentElement.dataset.state = 'drawn';
})();

// page.js: the object `espalier` that every section uses. Sections register here; start.js draws them in order.
// Text of a run reaches the page through textContent only: there is no innerHTML in any of these files.
const espalier = (() => {
  const data = JSON.parse(document.getElementById('espalier-data').textContent);
  const sections = [];

  /** An element with attributes and children; a child that is no node becomes text. `on` holds event listeners. */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === 'on') for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
      else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value === true ? '' : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined)
      .map((child) => (child instanceof Node ? child : String(child))));
    return made;
  }

  /**
   * Registers a section.
   *   id     its anchor, unique; part 'happened' or 'why'; title its heading
   *   needs(data) -> bool: whether the runs hold what it shows; without, the section is left out
   *   folded: it begins closed, and is drawn when it is opened
   *   draw(container, data): fills it; may return a promise. What it throws becomes a notice in its place
   */
  function section({ id, part, title, needs = () => true, folded = false, draw }) {
    if (sections.some((other) => other.id === id)) throw new Error(`two sections have the id ${id}`);
    sections.push({ id, part, title, needs, folded, draw });
  }

  /** A remark that something is missing, approximate or wrong with the run's files. */
  function notice(container, text) {
    const made = element('p', { class: 'notice', role: 'note' }, text);
    container.append(made);
    return made;
  }

  const known = (v) => typeof v === 'number' && Number.isFinite(v);
  /** toFixed with ties to even, as the program's own tables round. */
  function fixed(v, digits) {
    const scaled = Math.abs(v) * 10 ** digits, whole = Math.floor(scaled);
    if (scaled - whole !== 0.5 || scaled > 2 ** 50) return v.toFixed(digits);
    return ((v < 0 ? -1 : 1) * (whole + whole % 2) / 10 ** digits).toFixed(digits);
  }
  const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
  /** Numbers for people; what is no finite number becomes an en dash. */
  const format = {
    percent: (share, digits = 2) => (known(share) ? `${fixed(100 * share, digits)} %` : '–'),
    count: (n) => (known(n) ? grouped.format(n) : '–'),
    /** Four significant digits, or as many as asked. */
    number: (v, digits = 4) => {
      if (!known(v)) return '–';
      if (v !== 0 && (Math.abs(v) < 1e-3 || Math.abs(v) >= 1e6)) return v.toExponential(digits - 1).replace('e+', 'e');
      return String(Number(v.toPrecision(digits)));
    },
    signed: (v, digits = 5) => (known(v) ? `${v < 0 ? '−' : '+'}${fixed(Math.abs(v), digits)}` : '–'),
    bytes: (n) => {
      if (!known(n)) return '–';
      if (n < 1000) return `${n} B`;
      return n < 1e6 ? `${(n / 1e3).toFixed(n < 1e4 ? 2 : 1)} kB` : `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)} MB`;
    },
    seconds: (s) => {
      if (!known(s)) return '–';
      if (s < 60) return `${s.toFixed(s < 10 ? 2 : 1)} s`;
      const whole = Math.round(s), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
      return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${whole % 60} s`;
    },
  };

  /** The bytes of a base64 string; `signed` gives Int8Array. */
  function bytes(base64, signed = false) {
    const text = atob(base64), array = signed ? new Int8Array(text.length) : new Uint8Array(text.length);
    for (let i = 0; i < text.length; ++i) array[i] = text.charCodeAt(i);
    return array;
  }

  /** Offers `blob` to be saved as `file`. */
  function download(file, blob) {
    const url = URL.createObjectURL(blob);
    const link = element('a', { href: url, download: file });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  /**
   * A row that knows the declaration of its kind (tools/run/rows.h): to ask for a column that the kind has not is a
   * mistake of this page, not of the run, and is thrown. What a run's file has besides may be read, too.
   */
  function declared(row, kind) {
    if (!Object.hasOwn(data.columns, kind)) return row;
    const kinds = kind === 'result' ? Object.keys(data.columns) : [kind];  // a result has its run's own columns, too
    const has = (name) => kinds.some((k) => Object.entries(data.columns[k].columns)
      .some(([column, { many }]) => (many ? name.startsWith(column) : name === column)));
    return new Proxy(row, { get(target, name) {
      if (typeof name === 'string' && !(name in target) && !has(name) && name !== 'event' && name !== 'toJSON')
        throw new Error(`rows of "${kind}" have no column "${name}"`);
      return target[name];
    } });
  }
  const kept = new WeakMap();
  /** All rows of metrics of a run, of `espalier reproduce` its results. */
  function metrics(run) {
    if (!kept.has(run))
      kept.set(run, (run.metrics || []).map((row) => declared(row, row.event === undefined ? 'result' : row.event)));
    return kept.get(run);
  }
  /** Those of one event: 'epoch', 'prune', 'cell', ... */
  const events = (run, event) => metrics(run).filter((row) => row.event === event);
  /** What a column says, in a sentence with its unit. */
  function about(kind, name) {
    const { unit, about: text } = data.columns[kind].columns[name];
    return unit ? `${text} [${unit}]` : text;
  }

  return { data, sections, section, element, notice, known, format, bytes, download, declared, metrics, events, about };
})();

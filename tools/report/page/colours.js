// colours.js: light and dark, and one colour per method throughout. Colours are those of Okabe and Ito, told apart
// with every common colour blindness; on dark ground the darker ones are lightened.
Object.assign(espalier, (() => {
  const ito = {
    light: { orange: '#c77f00', sky: '#3a9bd9', green: '#00805e', blue: '#0067a5', red: '#c44e00', purple: '#b0578d', yellow: '#a08a00', grey: '#8a8f94' },
    dark: { orange: '#e69f00', sky: '#56b4e9', green: '#1fbf92', blue: '#5b9bd5', red: '#f07b3c', purple: '#d98bb8', yellow: '#f0e442', grey: '#7d858c' },
  };
  const inks = {
    light: { text: '#1c2421', muted: '#5a655f', grid: '#e3e6e1', background: '#ffffff', zero: '#f4f4f0' },
    dark: { text: '#e8ebe8', muted: '#a3ada7', grid: '#333b37', background: '#1b211e', zero: '#262d2a' },
  };
  const methods = {
    magnitude: 'orange', diagonal_fisher: 'sky', obd: 'sky', woodfisher: 'blue', obs: 'blue', woodtaylor: 'green', joint: 'purple',
    greedy: 'purple', search: 'purple', random: 'grey', published: 'grey', hessian: 'red', empirical_fisher: 'blue', true_fisher: 'yellow',
    monte_carlo_fisher: 'green', dense: 'text', k_fac: 'red', kfac: 'red',
  };
  /** The method that a name begins with: "diagonal_fisher" of "diagonal Fisher, layer-wise"; else the name's first word. */
  const method_of = (name) => {
    const plain = String(name).toLowerCase().replace(/[^a-z]+/g, '_');
    return Object.keys(methods).filter((key) => plain.startsWith(key)).sort((a, b) => b.length - a.length)[0] ?? plain.split('_')[0];
  };
  const order = ['blue', 'orange', 'green', 'red', 'purple', 'sky', 'yellow'];
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const listeners = [];
  let chosen = 'auto';
  const dark = () => (chosen === 'auto' ? system.matches : chosen === 'dark');
  const mode = () => (dark() ? 'dark' : 'light');
  const changed = () => {
    document.documentElement.dataset.theme = mode();
    listeners.forEach((listener) => listener());
  };
  system.addEventListener('change', changed);
  document.documentElement.dataset.theme = mode();

  return {
    /** Inks of the page as it is now: {dark, text, muted, grid, background, zero, orange, sky, green, ...}. */
    theme: () => ({ dark: dark(), ...inks[mode()], ...ito[mode()] }),
    onTheme: (listener) => listeners.push(listener),
    setTheme: (name) => { chosen = name; changed(); },
    /** The colour of a method by the beginning of its name: "woodfisher block 100" and "WoodFisher, full" as "woodfisher". */
    methodColour: (name) => {
      const method = method_of(name);
      return espalier.theme()[Object.hasOwn(methods, method) ? methods[method] : 'grey'];
    },
    /**
     * Looks of several series: the colour is that of the method, dashes and symbols tell series of one method apart.
     *   series: [{label, method}]; returns Vega scales over the labels ("colour", "dash", "shape") for marks and legend
     */
    seriesScales: (series) => {
      const seen = new Map(), domain = series.map((s) => s.label);
      const index = series.map((s) => {
        const method = method_of(s.method);
        seen.set(method, (seen.get(method) ?? -1) + 1);
        return seen.get(method);
      });
      const dashes = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [1, 3], [12, 3]];
      const shapes = ['circle', 'square', 'triangle-up', 'diamond', 'cross', 'triangle-down', 'stroke'];
      const of = (list) => index.map((i) => list[i % list.length]);
      return [
        { name: 'colour', type: 'ordinal', domain, range: series.map((s) => espalier.methodColour(s.method)) },
        { name: 'dash', type: 'ordinal', domain, range: of(dashes) },
        { name: 'shape', type: 'ordinal', domain, range: of(shapes) },
      ];
    },
    /** The colour of the i-th of several things that are no methods: runs, layers. */
    seriesColour: (i) => espalier.theme()[order[i % order.length]],
  };
})());

// two_weights.js: the loss surface of the quadratic model over two weights, and where each method goes from the point.
// What is drawn and what is in the table comes from quadratic.js alone, which is tested against the program.
espalier.twoWeights = (() => {
  const { element, format, choice, slider, toolbar } = espalier,
    q = espalier.quadratic;
  const methods = [
    { key: 'magnitude', name: 'magnitude', move: (m, i) => q.zeroed(m, [i]), dash: '2 4' },
    { key: 'diagonal_fisher', name: 'OBD', move: (m, i) => q.zeroed(m, [i]), dash: '9 5' },
    { key: 'woodfisher', name: 'OBS / WoodFisher', move: (m, i) => q.joint(m, [i], false), dash: '' },
    { key: 'woodtaylor', name: 'WoodTaylor', move: (m, i) => q.joint(m, [i], true), dash: '' },
  ];
  /** Curvatures a, b, their correlation, the weights, the gradient and log10 of lambda. */
  const presets = {
    agree: { name: 'all agree', at: { a: 2, b: 1, correlation: 0.2, w1: 0.4, w2: 1.1, g1: 0, g2: 0, lambda: -3 } },
    magnitude: {
      name: 'magnitude is fooled: the large weight is the flat one',
      at: { a: 0.15, b: 4, correlation: 0.1, w1: 1.2, w2: 0.6, g1: 0, g2: 0, lambda: -3 },
    },
    twins: {
      name: 'twins: each is nearly free, both are not',
      at: { a: 2, b: 2, correlation: 0.97, w1: 0.9, w2: 0.8, g1: 0, g2: 0, lambda: -3 },
    },
    damped: {
      name: 'heavy dampening: OBS falls back to magnitude',
      at: { a: 0.4, b: 1.6, correlation: 0.3, w1: 1, w2: 0.6, g1: 0, g2: 0, lambda: 0.6 },
    },
    gradient: {
      name: 'away from the optimum: the gradient decides',
      at: { a: 1.5, b: 1.5, correlation: 0.4, w1: 0.7, w2: 0.9, g1: -0.4, g2: 1.2, lambda: -3 },
    },
  };
  const controls = [
    { key: 'a', label: 'Curvature H₁₁', min: 0.05, max: 4, step: 0.05 },
    { key: 'b', label: 'Curvature H₂₂', min: 0.05, max: 4, step: 0.05 },
    { key: 'correlation', label: 'Correlation', min: -0.98, max: 0.98, step: 0.01 },
    { key: 'lambda', label: 'Dampening λ', min: -4, max: 1, step: 0.1, format: (v) => format.number(10 ** v, 2) },
    { key: 'w1', label: 'Weight w₁', min: -1.5, max: 1.5, step: 0.05 },
    { key: 'w2', label: 'Weight w₂', min: -1.5, max: 1.5, step: 0.05 },
    { key: 'g1', label: 'Gradient g₁', min: -2, max: 2, step: 0.05 },
    { key: 'g2', label: 'Gradient g₂', min: -2, max: 2, step: 0.05 },
  ];
  const svg = (tag, attributes, ...children) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  /** Every method's verdict at the point: [{key, name, rho: [of 1, of 2], chosen, delta, predicted, actual}], and both removed. */
  function verdicts(at) {
    const H = q.curvature2(at.a, at.b, at.correlation),
      w = [at.w1, at.w2],
      g = [at.g1, at.g2];
    const m = q.model({ w, g, H, lambda: 10 ** at.lambda });
    const actual = (delta) => q.lossChange(H, g, delta);
    const rows = methods.map((method) => {
      const rho = q.saliency[method.key](m),
        chosen = q.lowest(rho),
        delta = method.move(m, chosen);
      const says = {
        magnitude: () => null,
        diagonal_fisher: () => rho[chosen],
        woodfisher: () => rho[chosen],
        woodtaylor: () => rho[chosen] + m.constant,
      }[method.key]();
      return { ...method, rho, chosen, delta, predicted: says, actual: actual(delta) };
    });
    const both = q.joint(m, [0, 1]);
    const joint = {
      key: 'joint',
      name: 'both, jointly',
      rho: [],
      delta: both,
      predicted: q.setSaliency(m, [0, 1]),
      actual: actual(both),
      dash: '1 5',
      sum: rows[2].rho[0] + rows[2].rho[1],
    };
    return { m, H, rows, joint };
  }

  /** The surface with its contours and arrows. */
  function surface(host) {
    const size = 460,
      root = svg('svg', { viewBox: `0 0 ${size} ${size}`, class: 'surface', role: 'img' });
    host.append(root);
    return (at, { m, H, rows, joint }, names) => {
      const theme = espalier.theme(),
        inv = espalier.matrix.inverse(H),
        g = [at.g1, at.g2];
      const low = espalier.matrix.add([at.w1, at.w2], espalier.matrix.times(inv, g), -1); // the surface's own minimum
      const ends = [...rows, joint].map((r) => espalier.matrix.add(m.w, r.delta));
      const reach =
        1.25 *
        Math.max(0.4, ...[m.w, [0, 0], ...ends].flat().map(Math.abs), ...low.map((v) => Math.min(Math.abs(v), 2)));
      const X = (v) => (size / 2) * (1 + v / reach),
        Y = (v) => (size / 2) * (1 - v / reach),
        point = ([x, y]) => `${X(x).toFixed(2)},${Y(y).toFixed(2)}`;
      root.replaceChildren();
      // Contours: ellipses (w - low)' H (w - low) / 2 = c, c growing with the square of the ring.
      const corner = Math.max(
        ...[
          [1, 1],
          [1, -1],
          [-1, 1],
          [-1, -1],
        ].map(([x, y]) => {
          const d = [x * reach - low[0], y * reach - low[1]];
          return espalier.matrix.dot(d, espalier.matrix.times(H, d)) / 2;
        }),
      );
      const rings = 12,
        l = espalier.matrix.cholesky(H),
        shape = [];
      for (let k = rings; k >= 1; --k) {
        const radius = (Math.sqrt(2 * corner) * k) / rings,
          ring = [];
        for (let t = 0; t <= 96; ++t) {
          const u = [radius * Math.cos((2 * Math.PI * t) / 96), radius * Math.sin((2 * Math.PI * t) / 96)];
          const y = u[1] / l[1][1],
            x = (u[0] - l[1][0] * y) / l[0][0]; // L' v = u
          ring.push(point([low[0] + x, low[1] + y]));
        }
        shape.push(
          svg('polygon', {
            points: ring.join(' '),
            fill: theme.text,
            'fill-opacity': 0.022,
            stroke: theme.muted,
            'stroke-opacity': 0.5,
            'stroke-width': 0.8,
          }),
        );
      }
      root.append(
        svg(
          'defs',
          {},
          ...[...methods.map((v) => v.key), 'joint'].map((key) =>
            svg(
              'marker',
              {
                id: `head-${host.id}-${key}`,
                viewBox: '0 0 10 10',
                refX: 8,
                refY: 5,
                markerWidth: 7,
                markerHeight: 7,
                orient: 'auto-start-reverse',
              },
              svg('path', { d: 'M0,0 L10,5 L0,10 z', fill: espalier.methodColour(key) }),
            ),
          ),
        ),
        ...shape,
      );
      const text = (x, y, words, more = {}) =>
        svg(
          'text',
          {
            x,
            y,
            'font-size': 12,
            fill: theme.text,
            'paint-order': 'stroke',
            stroke: theme.background,
            'stroke-width': 3,
            ...more,
          },
          words,
        );
      for (const [x1, y1, x2, y2] of [
        [X(0), 0, X(0), size],
        [0, Y(0), size, Y(0)],
      ])
        root.append(svg('line', { x1, y1, x2, y2, stroke: theme.text, 'stroke-width': 1.4 }));
      root.append(
        text(X(0) + 5, 14, `${names[0]} = 0`),
        text(6, Y(0) - 6, `${names[1]} = 0`),
        svg('circle', { cx: X(low[0]), cy: Y(low[1]), r: 4, fill: 'none', stroke: theme.muted, 'stroke-width': 1.5 }),
        text(X(low[0]) + (X(low[0]) > 0.8 * size ? -7 : 7), Y(low[1]) + 14, 'minimum', {
          fill: theme.muted,
          'text-anchor': X(low[0]) > 0.8 * size ? 'end' : 'start',
        }),
      );
      const start = m.w,
        seen = [];
      for (const r of [joint, ...rows]) {
        const end = espalier.matrix.add(start, r.delta);
        const shift = seen.filter((e) => Math.hypot(e[0] - end[0], e[1] - end[1]) < 0.02 * reach).length; // equal moves lie side by side
        seen.push(end);
        const dx = X(end[0]) - X(start[0]),
          dy = Y(end[1]) - Y(start[1]),
          length = Math.hypot(dx, dy) || 1,
          off = 5 * shift;
        const ox = (-dy / length) * off,
          oy = (dx / length) * off;
        root.append(
          svg('line', {
            x1: X(start[0]) + ox,
            y1: Y(start[1]) + oy,
            x2: X(end[0]) + ox,
            y2: Y(end[1]) + oy,
            stroke: espalier.methodColour(r.key),
            'stroke-width': r.key === 'joint' ? 2 : 2.6,
            'stroke-dasharray': r.dash || undefined,
            'marker-end': `url(#head-${host.id}-${r.key})`,
            'data-method': r.key,
          }),
        );
      }
      root.append(
        svg('circle', { cx: X(start[0]), cy: Y(start[1]), r: 5.5, fill: theme.text }),
        text(X(start[0]) + 9, Y(start[1]) - 7, 'w', { 'font-style': 'italic', 'font-size': 15 }),
      );
      root.setAttribute(
        'aria-label',
        `Contours of the loss over ${names[0]} and ${names[1]}; arrows from w: ${rows.map((r) => `${r.name} removes ${names[r.chosen]}`).join(', ')}`,
      );
    };
  }

  let figures = 0;
  function draw(host, { at: initial, presetsShown = Object.keys(presets), network = null, files }) {
    let at = { ...initial },
      names = ['w₁', 'w₂'],
      unit = null;
    const bar = toolbar(host),
      body = element('div', { class: 'two' }),
      left = element('div', { id: `surface-${++figures}` }),
      right = element('div', { class: 'sliders' });
    const said = element('p', { class: 'verdict', role: 'status' }),
      host2 = element('div', {}),
      note = element('p', { class: 'guide' });
    host.append(body, said, host2, note);
    body.append(left, right);
    const paint = surface(left);
    const sliders = Object.fromEntries(
      controls.map((c) => [
        c.key,
        slider(right, {
          ...c,
          value: at[c.key],
          onInput: (v) => {
            at[c.key] = v;
            show();
          },
        }),
      ]),
    );
    function set(next) {
      at = { ...next };
      for (const [key, control] of Object.entries(sliders)) {
        const v = at[key];
        control.input.min = Math.min(control.input.min, v);
        control.input.max = Math.max(control.input.max, v);
        if (unit) control.input.step = 'any';
        control.set(v);
      }
      show();
    }
    const options = presetsShown.map((key) => ({ value: key, label: presets[key].name }));
    if (network) options.push({ value: 'network', label: `two weights of ${network.run.name}` });
    const pickers = element('div', { class: 'toolbar pickers', hidden: true });
    choice(bar, {
      label: 'Situation',
      options,
      value: presetsShown.find((key) => presets[key].at === initial),
      onChange: (key) => {
        pickers.hidden = key !== 'network';
        if (key === 'network') return fromNetwork();
        unit = null;
        names = ['w₁', 'w₂'];
        return set(presets[key].at);
      },
    });
    bar.after(pickers);

    /** Two weights of the tour's block, in units in which the larger is 1 and the larger curvature's cost is 1. */
    function fromNetwork(pair = network.pair()) {
      const { layer, i, j } = pair,
        m = espalier.blockMatrices(layer, network.tour.examples.length - 1).hessian,
        { w, g } = layer.block;
      const s = Math.max(Math.abs(w[i]), Math.abs(w[j])) || 1,
        scale = Math.max(m[i][i], m[j][j]) * s * s || 1;
      const h = (p, r) => (m[p][r] * s * s) / scale;
      unit = { weight: s, loss: scale };
      names = [layer.block.names[i], layer.block.names[j]];
      pickers.replaceChildren();
      const weights = layer.block.names.map((name, k) => ({ value: k, label: name }));
      choice(pickers, {
        label: 'Layer',
        options: network.tour.layers.map((l) => ({ value: l, label: l.name })),
        value: layer,
        onChange: (l) => fromNetwork(network.pair(l)),
      });
      choice(pickers, {
        label: 'Weight 1',
        options: weights,
        value: i,
        onChange: (k) => k !== j && fromNetwork({ layer, i: k, j }),
      });
      choice(pickers, {
        label: 'Weight 2',
        options: weights,
        value: j,
        onChange: (k) => k !== i && fromNetwork({ layer, i, j: k }),
      });
      const a = Math.max(1e-6, h(i, i)),
        b = Math.max(1e-6, h(j, j));
      set({
        a,
        b,
        correlation: Math.max(-0.999, Math.min(0.999, h(i, j) / Math.sqrt(a * b))),
        w1: w[i] / s,
        w2: w[j] / s,
        g1: (g[i] * s) / scale,
        g2: (g[j] * s) / scale,
        lambda: Math.log10((network.tour.damp * s * s) / scale),
      });
    }

    function show() {
      const v = verdicts(at);
      paint(at, v, names);
      const mark = (k, r) => (value) =>
        element(
          'span',
          { class: r.chosen === k ? 'chosen' : null },
          r.chosen === k ? `${format.number(value, 4)} ✓` : format.number(value, 4),
        );
      const swatch = (r) =>
        element(
          'span',
          { class: 'swatch' },
          Object.assign(
            svg(
              'svg',
              { viewBox: '0 0 30 8', width: 30, height: 8, 'aria-hidden': 'true' },
              svg('line', {
                x1: 0,
                x2: 30,
                y1: 4,
                y2: 4,
                stroke: espalier.methodColour(r.key),
                'stroke-width': 3,
                'stroke-dasharray': r.dash || undefined,
              }),
            ),
          ),
          r.name,
        );
      const rows = [...v.rows, v.joint].map((r) => ({
        method: swatch(r),
        rho1: r.rho.length ? mark(0, r)(r.rho[0]) : '',
        rho2: r.rho.length ? mark(1, r)(r.rho[1]) : '',
        removes: r.rho.length ? names[r.chosen] : 'both',
        delta: `(${r.delta.map((x) => format.number(x, 3)).join(', ')})`,
        predicted: r.predicted === null ? '–' : format.number(r.predicted, 4),
        actual: format.number(r.actual, 4),
      }));
      host2.replaceChildren();
      const table = espalier.table(host2, {
        caption: 'What each method says; ✓ marks the weight it removes',
        rows,
        columns: [
          { name: 'method', title: 'method' },
          { name: 'rho1', title: `saliency of ${names[0]}`, numeric: true },
          { name: 'rho2', title: `saliency of ${names[1]}`, numeric: true },
          { name: 'removes', title: 'removes' },
          { name: 'delta', title: 'update (δ₁, δ₂)', numeric: true },
          { name: 'predicted', title: 'it predicts', numeric: true },
          { name: 'actual', title: 'on the surface', numeric: true },
        ],
      });
      table.dataset.numbers = JSON.stringify({
        at,
        rows: [...v.rows, v.joint].map(({ key, rho, chosen, delta, predicted, actual }) => ({
          key,
          rho,
          chosen,
          delta,
          predicted,
          actual,
        })),
      });
      const groups = [0, 1].map((k) => v.rows.filter((r) => r.chosen === k).map((r) => r.name));
      const best = v.rows.reduce((a, b) => (b.actual < a.actual ? b : a));
      said.textContent =
        (groups[0].length && groups[1].length
          ? `${groups[0].join(', ')} remove${groups[0].length > 1 ? '' : 's'} ${names[0]}; ${groups[1].join(', ')} ${names[1]}. `
          : `All remove ${names[groups[0].length ? 0 : 1]}. `) +
        `On the surface ${best.name} does best (${format.number(best.actual, 3)}). Both together cost ${format.number(v.joint.predicted, 3)}, the sum of the two single OBS saliencies is ${format.number(v.joint.sum, 3)}.`;
      note.textContent = unit
        ? `Units: 1 of a weight is ${format.number(unit.weight)}, 1 of the loss is ${format.number(unit.loss)}. H is the Hessian of these two weights over ${format.count(network.tour.examples.at(-1))} examples, g their mean gradient, λ the run's dampening.`
        : '';
    }
    espalier.onTheme(show);
    files.picture = () => left.querySelector('svg');
    files.csv = () => {
      const v = verdicts(at);
      return {
        columns: ['method', 'rho_1', 'rho_2', 'removes', 'delta_1', 'delta_2', 'predicted', 'on_the_surface'],
        rows: [...v.rows, v.joint].map((r) => ({
          method: r.name,
          rho_1: r.rho[0] ?? '',
          rho_2: r.rho[1] ?? '',
          removes: r.chosen === undefined ? 'both' : names[r.chosen],
          delta_1: r.delta[0],
          delta_2: r.delta[1],
          predicted: r.predicted ?? '',
          on_the_surface: r.actual,
        })),
      };
    };
    show();
  }

  /** Two weights of a layer's block on which the methods part: the pair of largest |correlation| among those where magnitude
   *  and curvature choose differently; failing that, of all. */
  function choosePair(tour, layer = tour.layers[0]) {
    const m = espalier.blockMatrices(layer, tour.examples.length - 1).hessian,
      { w } = layer.block;
    let best = { i: 0, j: Math.min(1, w.length - 1), score: -1 };
    for (let i = 0; i < w.length; ++i)
      for (let j = 0; j < i; ++j) {
        if (!(m[i][i] > 0 && m[j][j] > 0)) continue;
        const differ = Math.abs(w[i]) < Math.abs(w[j]) !== m[i][i] * w[i] ** 2 < m[j][j] * w[j] ** 2;
        const score = Math.abs(m[i][j]) / Math.sqrt(m[i][i] * m[j][j]) + (differ ? 1 : 0);
        if (score > best.score) best = { i: j, j: i, score };
      }
    return { layer, i: best.i, j: best.j };
  }

  const figure = (container, data, { name, title, guide, preset, presetsShown }) =>
    espalier.tourFigure(container, {
      name,
      title,
      guide,
      what: { csv: 'table', picture: 'surface' },
      draw: (host, files) => {
        const first = espalier.tours(data).find(({ tour }) => tour.layers[0].block.w.length > 1);
        const network = first && { ...first, pair: (layer) => choosePair(first.tour, layer) };
        draw(host, { at: presets[preset].at, presetsShown, network, files });
      },
    });
  return { figure, presets, verdicts };
})();

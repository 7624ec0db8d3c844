// two_weights.js: two weights with sliders: which one each method removes, where it goes, what it says that costs. All
// numbers are from quadratic.js, which is tested against the program.
espalier.twoWeights = (() => {
  const { element, format, choice, slider, toolbar } = espalier;
  const q = espalier.quadratic;
  const symbols = ['w₁', 'w₂'];
  const methods = [
    { key: 'magnitude', name: 'magnitude', dash: '2 4', move: (m, i) => q.zeroed(m, [i]), says: () => null },
    { key: 'diagonal_fisher', name: 'OBD', dash: '9 5', move: (m, i) => q.zeroed(m, [i]), says: (m, rho) => rho },
    { key: 'woodfisher', name: 'OBS / WoodFisher', move: (m, i) => q.joint(m, [i], false), says: (m, rho) => rho },
    { key: 'woodtaylor', name: 'WoodTaylor', move: (m, i) => q.joint(m, [i], true), says: (m, rho) => rho + m.constant },
  ];
  /** Curvatures a, b, their correlation, the weights, the gradient and log10 of lambda. */
  const still = { g1: 0, g2: 0, lambda: -3 };
  const presets = {
    agree: { name: 'all agree', at: { a: 2, b: 1, correlation: 0.2, w1: 0.4, w2: 1.1, ...still } },
    magnitude: {
      name: 'magnitude is fooled: the large weight is the flat one',
      at: { a: 0.15, b: 4, correlation: 0.5, w1: 1.2, w2: 0.6, ...still },
    },
    twins: { name: 'twins: each is nearly free, both are not', at: { a: 2, b: 2, correlation: 0.97, w1: 0.9, w2: 0.8, ...still } },
    damped: {
      name: 'heavy dampening: OBS falls back to magnitude',
      at: { a: 0.4, b: 1.6, correlation: 0.3, w1: 1, w2: 0.6, ...still, lambda: 0.6 },
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

  /** Every method's verdict: rows of {key, name, rho: [of 1, of 2], chosen, delta, predicted, actual: on the undamped surface}. */
  function verdicts(at) {
    const H = q.curvature2(at.a, at.b, at.correlation),
      w = [at.w1, at.w2],
      g = [at.g1, at.g2];
    const m = q.model({ w, g, H, lambda: 10 ** at.lambda });
    const rows = methods.map((method) => {
      const rho = q.saliency[method.key](m),
        chosen = q.lowest(rho),
        delta = method.move(m, chosen);
      return { ...method, rho, chosen, delta, predicted: method.says(m, rho[chosen]), actual: q.lossChange(H, g, delta) };
    });
    const both = q.joint(m, [0, 1]),
      single = rows.find((row) => row.key === 'woodfisher').rho;
    const joint = {
      key: 'joint',
      name: 'both, jointly',
      dash: '1 5',
      rho: [],
      delta: both,
      predicted: q.setSaliency(m, [0, 1]),
      actual: q.lossChange(H, g, both),
    };
    return { w, g, H, rows: [...rows, joint], sum: single[0] + single[1] };
  }

  /** The pair of a block on which the methods part: largest |correlation|, first where magnitude and curvature disagree. */
  function choosePair(tour, layer = tour.layers[0]) {
    const H = espalier.blockMatrices(layer, tour.examples.length - 1).hessian,
      { w } = layer.block;
    let best = { i: 0, j: Math.min(1, w.length - 1), score: -1 };
    for (let j = 0; j < w.length; ++j)
      for (let i = 0; i < j; ++i) {
        if (!(H[i][i] > 0 && H[j][j] > 0)) continue;
        const bySize = Math.abs(w[i]) < Math.abs(w[j]),
          byCost = H[i][i] * w[i] ** 2 < H[j][j] * w[j] ** 2;
        const score = Math.abs(H[i][j]) / Math.sqrt(H[i][i] * H[j][j]) + (bySize === byCost ? 0 : 1);
        if (score > best.score) best = { i, j, score };
      }
    return { layer, i: best.i, j: best.j };
  }

  /** Two weights of the tour's block, in units in which the larger is 1 and the dearer costs 1/2; `optimum`: g taken as zero. */
  function fromNetwork(tour, { layer, i, j }, optimum) {
    const H = espalier.blockMatrices(layer, tour.examples.length - 1).hessian,
      { w, g, names } = layer.block;
    const weight = Math.max(Math.abs(w[i]), Math.abs(w[j])) || 1,
      loss = Math.max(H[i][i], H[j][j]) * weight ** 2 || 1;
    const h = (p, r) => (H[p][r] * weight ** 2) / loss,
      a = Math.max(1e-6, h(i, i)),
      b = Math.max(1e-6, h(j, j));
    const correlation = Math.max(-0.999, Math.min(0.999, h(i, j) / Math.sqrt(a * b)));
    return {
      names: [names[i], names[j]],
      unit: { weight, loss },
      at: {
        a,
        b,
        correlation,
        w1: w[i] / weight,
        w2: w[j] / weight,
        g1: optimum ? 0 : (g[i] * weight) / loss,
        g2: optimum ? 0 : (g[j] * weight) / loss,
        lambda: Math.log10((tour.damp * weight ** 2) / loss),
      },
    };
  }

  function tableOf(host, { rows }, at) {
    const swatch = (r) =>
      element(
        'span',
        { class: 'swatch' },
        espalier.svg(
          'svg',
          { viewBox: '0 0 30 8', width: 30, height: 8, 'aria-hidden': 'true' },
          espalier.svg('line', {
            x1: 0,
            x2: 30,
            y1: 4,
            y2: 4,
            stroke: espalier.methodColour(r.key),
            'stroke-width': 3,
            'stroke-dasharray': r.dash,
          }),
        ),
        r.name,
      );
    const rho = (r, k) =>
      r.rho.length === 0
        ? ''
        : element('span', { class: r.chosen === k ? 'chosen' : null }, format.number(r.rho[k]), r.chosen === k ? ' ✓' : '');
    host.replaceChildren();
    const table = espalier.table(host, {
      caption: 'What each method says; ✓ marks the weight it removes',
      rows,
      columns: [
        { name: 'name', title: 'method', format: (_, r) => swatch(r) },
        { name: 'rho', title: `saliency of ${symbols[0]}`, numeric: true, format: (_, r) => rho(r, 0) },
        { name: 'rho', title: `saliency of ${symbols[1]}`, numeric: true, format: (_, r) => rho(r, 1) },
        { name: 'chosen', title: 'removes', format: (k) => symbols[k] ?? 'both' },
        { name: 'delta', title: 'update (δ₁, δ₂)', numeric: true, format: (d) => `(${d.map((v) => format.number(v, 3)).join(', ')})` },
        { name: 'predicted', title: 'it predicts', numeric: true, format: (v) => format.number(v) },
        { name: 'actual', title: 'on the surface', numeric: true, format: (v) => format.number(v) },
      ],
    });
    table.dataset.numbers = JSON.stringify({ at, rows }); // for the browser test
  }

  function verdictText({ rows, sum }) {
    const single = rows.filter((r) => r.rho.length > 0),
      joint = rows[rows.length - 1];
    const [first, second] = [0, 1].map((k) =>
      single
        .filter((r) => r.chosen === k)
        .map((r) => r.name)
        .join(', '),
    );
    const best = single.reduce((a, b) => (b.actual < a.actual ? b : a));
    const parted =
      first && second
        ? `${symbols[0]} is removed by ${first}; ${symbols[1]} by ${second}.`
        : `All methods remove ${symbols[first ? 0 : 1]}.`;
    return `${parted} Lowest on the surface: ${best.name}, ${format.number(best.actual, 3)}. Both together cost ${format.number(joint.predicted, 3)}; the two OBS saliencies add up to ${format.number(sum, 3)}.`;
  }

  function draw(host, { preset, presetsShown, optimum, network, files }) {
    let state = { at: { ...presets[preset].at }, names: null, unit: null };
    const bar = toolbar(host),
      pickers = element('div', { class: 'toolbar', hidden: true }),
      left = element('div', {}),
      right = element('div', { class: 'sliders' });
    const said = element('p', { class: 'verdict', role: 'status' }),
      table = element('div', {}),
      note = element('p', { class: 'guide' });
    host.append(pickers, element('div', { class: 'two' }, left, right), said, table, note);
    const paint = espalier.surface(left);

    function show() {
      const v = verdicts(state.at),
        { names, unit } = state;
      paint({ ...v, names: symbols, moves: [v.rows.at(-1), ...v.rows.slice(0, -1)] });
      tableOf(table, v, state.at);
      said.textContent = verdictText(v);
      note.textContent = unit
        ? `w₁ is ${names[0]}, w₂ is ${names[1]}. Units: 1 of a weight is ${format.number(unit.weight)}, 1 of the loss is ${format.number(unit.loss)}. ` +
          `H is their Hessian over ${format.count(network.tour.examples.at(-1))} examples, λ the run's dampening; g is ${optimum ? 'taken as zero, as this chapter does' : 'their mean gradient'}.`
        : '';
    }
    const sliders = controls.map((c) => ({
      ...c,
      ...slider(right, {
        ...c,
        value: state.at[c.key],
        onInput: (v) => {
          state.at[c.key] = v;
          show();
        },
      }),
    }));
    function set(next) {
      state = { ...next, at: { ...next.at } };
      for (const { key, input, min, max, step, set: move } of sliders) {
        // weights of a network may lie outside
        const v = state.at[key];
        Object.assign(input, { min: Math.min(min, v), max: Math.max(max, v), step: next.unit ? 'any' : step });
        move(v);
      }
      show();
    }
    function pick(pair) {
      const weights = pair.layer.block.names.map((name, value) => ({ value, label: name }));
      const other = (k) => (k + 1) % weights.length;
      pickers.replaceChildren();
      choice(pickers, {
        label: 'Layer',
        options: espalier.layerOptions(network.tour),
        value: pair.layer,
        onChange: (layer) => pick(choosePair(network.tour, layer)),
      });
      choice(pickers, {
        label: 'Weight 1',
        options: weights,
        value: pair.i,
        onChange: (i) => pick({ ...pair, i, j: pair.j === i ? other(i) : pair.j }),
      });
      choice(pickers, {
        label: 'Weight 2',
        options: weights,
        value: pair.j,
        onChange: (j) => pick({ ...pair, j, i: pair.i === j ? other(j) : pair.i }),
      });
      set(fromNetwork(network.tour, pair, optimum));
    }
    choice(bar, {
      label: 'Situation',
      value: preset,
      options: [
        ...presetsShown.map((value) => ({ value, label: presets[value].name })),
        ...(network ? [{ value: 'network', label: `two weights of ${network.run.name}` }] : []),
      ],
      onChange: (key) => {
        pickers.hidden = key !== 'network';
        if (key === 'network') pick(choosePair(network.tour));
        else set({ at: presets[key].at, names: null, unit: null });
      },
    });
    espalier.onTheme(() => {
      if (host.isConnected) show();
    });
    show();

    files.picture = () => left.querySelector('svg');
    files.csv = () => ({
      columns: ['method', 'rho_1', 'rho_2', 'removes', 'delta_1', 'delta_2', 'predicted', 'on_the_surface'],
      rows: verdicts(state.at).rows.map((r) => ({
        method: r.name,
        rho_1: r.rho[0],
        rho_2: r.rho[1],
        removes: symbols[r.chosen] ?? 'both',
        delta_1: r.delta[0],
        delta_2: r.delta[1],
        predicted: r.predicted,
        on_the_surface: r.actual,
      })),
    });
  }

  const figure = (container, data, { name, title, guide, ...more }) =>
    espalier.tourFigure(container, {
      name,
      title,
      guide,
      what: { csv: 'table', picture: 'surface' },
      draw: (host, files) =>
        draw(host, { ...more, files, network: espalier.tours(data).find(({ tour }) => tour.layers[0].block.w.length > 1) }),
    });
  return { figure, presets, verdicts };
})();

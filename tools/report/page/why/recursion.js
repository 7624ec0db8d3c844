// recursion.js: figure of chapter 3: the Woodbury recursion on a few weights of the user's network, example by example,
// the formula lit together with the pictures of its parts.
(() => {
  const { element, format, choice, slider, toolbar, formula, matrix, woodbury } = espalier;
  const written = 6; // so few weights have their numbers written into the pictures

  /** The recursion over the `count` weights of a layer's block whose gradients are largest, in their order. */
  function problem(layer, count, lambda) {
    const { rows, names } = layer.block,
      size = names.map((_, q) => rows.reduce((sum, row) => sum + row.g[q] ** 2, 0));
    const chosen = names
      .map((_, q) => q)
      .sort((a, b) => size[b] - size[a] || a - b)
      .slice(0, count)
      .sort((a, b) => a - b);
    const G = rows.map((row) => chosen.map((q) => row.g[q])),
      mean = chosen.reduce((sum, q) => sum + size[q], 0) / rows.length / chosen.length;
    // Small enough that the examples count; of two digits, so that what is shown is what is used.
    const damp = Number((lambda ?? (mean > 0 ? mean / 30 : 1)).toPrecision(2));
    return { G, names: chosen.map((q) => names[q]), lambda: damp, steps: woodbury.recursion(G, damp) };
  }

  /** A vector as bars from a middle line. */
  function strip(lit, caption, values, max, names) {
    const theme = espalier.theme();
    const cells = values.map((v, q) => {
      const bar = element('i', {});
      bar.style.height = `${max > 0 ? (50 * Math.abs(v)) / max : 0}%`;
      bar.style[v < 0 ? 'top' : 'bottom'] = '50%';
      bar.style.background = v < 0 ? theme.orange : theme.blue;
      return element(
        'span',
        { class: 'cell', title: `${names[q]}: ${format.number(v)}` },
        bar,
        names.length <= written ? element('small', {}, format.number(v, 2)) : null,
      );
    });
    return element(
      'div',
      { class: 'strip', 'data-lit': lit },
      element('div', { class: 'strip-name' }, caption),
      element('div', { class: 'cells', role: 'img', 'aria-label': values.map((v) => format.number(v, 3)).join(', ') }, cells),
    );
  }

  /** The formula's numbers at step n, as a sentence. */
  function sentence({ G, lambda, steps }, n) {
    if (n === 0)
      return [
        `Before the first example the inverse is 1/λ = ${format.number(1 / lambda)} on the diagonal: nothing is known to cost anything, so every weight is cheap.`,
      ];
    const N = G.length,
      step = steps[n],
      trace = (m) => format.number(m.reduce((sum, row, i) => sum + row[i], 0));
    const lit = (name, ...text) => element('span', { class: 'lit', 'data-lit': name }, ...text);
    const words = [
      lit('denominator', formula(`N + g_{${n}}^⊤ x_{${n}}`), ` = ${N} + ${format.number(step.gx)} = ${format.number(step.denominator)}`),
      '. The trace of the inverse falls from ',
      lit('before', trace(steps[n - 1].inverse)),
      ' to ',
      lit('after', trace(step.inverse)),
      '.',
    ];
    if (n < N) return words;
    const direct = matrix.inverse(woodbury.partialFisher(G, lambda, N)),
      apart = (m) => format.number(woodbury.difference(step.inverse, m), 2);
    return [
      ...words,
      ` All ${N} examples are in: the inverse of λI + (1/N) Σ gₙgₙᵀ, taken directly, differs by ${apart(direct)} of the largest entry, the closed form below by ${apart(woodbury.closedForm(G, lambda))}.`,
    ];
  }

  /** Buttons that call go(n); returns {stop, say(text)}. */
  function stepper(host, { now, last, go }) {
    let timer = null;
    const button = (label, text, act) => element('button', { type: 'button', 'aria-label': label, on: { click: act } }, text);
    const stop = () => {
      clearInterval(timer);
      timer = null;
      label();
    };
    const by = (n) => () => {
      stop();
      go(n());
    };
    const play = button('play all steps', '', () => {
      if (timer !== null) return stop();
      if (now() === last()) go(0);
      timer = setInterval(() => {
        go(now() + 1);
        if (now() === last() || !host.isConnected) stop();
      }, 900);
      return label();
    });
    const label = () => {
      play.textContent = timer === null ? '▶ play' : '❚❚ pause';
      play.setAttribute('aria-label', timer === null ? 'play all steps' : 'pause');
    };
    const shown = element('output', { class: 'at' });
    host.append(
      element(
        'div',
        { class: 'stepper', role: 'group', 'aria-label': 'steps of the recursion' },
        button(
          'to the start',
          '|◀',
          by(() => 0),
        ),
        button(
          'one example back',
          '◀ back',
          by(() => now() - 1),
        ),
        button(
          'next example',
          'next ▶',
          by(() => now() + 1),
        ),
        play,
        shown,
      ),
    );
    label();
    return {
      stop,
      say: (text) => {
        shown.textContent = text;
      },
    };
  }

  const diagonalSpec = (names, steps) =>
    espalier.spec.xy({
      height: 220,
      x: { field: 'example', title: 'examples so far', domain: [0, steps.length - 1], format: 'd' },
      y: {
        field: 'inverse_diagonal',
        title: 'diagonal of the inverse (log)',
        type: 'log',
        format: '.3~g',
        domain: [0.9 * Math.min(...steps[steps.length - 1].inverse.map((row, i) => row[i])), 1.1 * steps[0].inverse[0][0]],
      },
      colour: {
        field: 'weight',
        domain: names,
        range: names.map((_, q) => espalier.seriesColour(q)),
        legend: names.length <= written,
        each: 210,
      },
      marks: [
        espalier.spec.line({ x: 'example', y: 'inverse_diagonal', series: 'weight' }),
        espalier.spec.points({
          x: 'example',
          y: 'inverse_diagonal',
          series: 'weight',
          size: 20,
          tooltip: { weight: 'datum.weight', examples: 'datum.example', value: "format(datum.inverse_diagonal, '.4~g')" },
        }),
      ],
    });

  async function draw(host, tour, run, files) {
    const state = { layer: tour.layers[0], count: written, lambda: null, n: 1 };
    let p = problem(state.layer, state.count, state.lambda),
      view = null,
      chart = null;
    const bar = toolbar(host);
    const again = (changes) => {
      Object.assign(state, changes);
      p = problem(state.layer, state.count, state.lambda);
      lambda.set(Math.log10(p.lambda));
      return show();
    };
    choice(bar, {
      label: 'Layer',
      value: state.layer,
      options: espalier.layerOptions(tour),
      onChange: (layer) => again({ layer, lambda: null }),
    });
    choice(bar, {
      label: 'Weights',
      value: written,
      options: [3, written, 12, 24].map((v) => ({ value: v, label: String(v) })),
      onChange: (count) => again({ count }),
    });
    const lambda = slider(bar, {
      label: 'Dampening λ',
      min: -9,
      max: 0,
      step: 'any',
      value: Math.log10(p.lambda),
      format: (v) => format.number(10 ** v, 2),
      onInput: (v) => again({ lambda: 10 ** v }),
    });
    const steps = stepper(host, {
      now: () => state.n,
      last: () => p.G.length,
      go: (n) => {
        state.n = Math.max(0, Math.min(p.G.length, n));
        show();
      },
    });

    const keys = (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!by || event.target.matches('input, select, canvas')) return;
      event.preventDefault();
      steps.stop();
      state.n = Math.max(0, Math.min(p.G.length, state.n + by));
      show();
    };
    const strips = element('div', { class: 'strips' }),
      matrices = element('div', {}),
      numbers = element('p', { class: 'numbers-line', role: 'status' });
    const body = element(
      'div',
      {
        class: 'recursion',
        tabindex: '0',
        role: 'group',
        'aria-label': 'Woodbury recursion: arrow keys step through the examples',
      },
      formula(
        '\\lit{after}{F_n^{-1}} = \\lit{before}{F_{n-1}^{-1}} - \\frac{\\lit{x}{x_n} \\lit{x}{x_n^⊤}}{\\lit{denominator}{N + g_n^⊤ x_n}} , \\text{  } \\lit{x}{x_n = F_{n-1}^{-1}} \\lit{g}{g_n} , \\text{  } F_0^{-1} = λ^{-1} I',
        { block: true },
      ),
      strips,
      matrices,
      numbers,
    );
    host.append(body);
    host.addEventListener('keydown', keys);  // also while a button has the focus
    if (tour.num_grads > p.G.length)
      host.append(element('p', { class: 'guide' }, `Of ${format.count(tour.num_grads)} examples the figure takes the ${p.G.length} whose gradients are longest here, the longest first, and divides by N = ${p.G.length}: the run's own inverse has all of them.`));
    espalier.light(body);

    const diagonals = () =>
      p.steps
        .slice(0, state.n + 1)
        .flatMap((step, n) => p.names.map((weight, q) => ({ example: n, weight, inverse_diagonal: step.inverse[q][q] })));
    async function show() {
      const { n } = state,
        step = p.steps[n],
        before = p.steps[Math.max(0, n - 1)].inverse,
        none = p.names.map(() => 0);
      const g = n > 0 ? p.G[n - 1] : none,
        x = n > 0 ? step.x : none;
      steps.say(n === 0 ? `start: no example yet, N = ${p.G.length}` : `example ${n} of N = ${p.G.length}`);
      const panels = [
        {
          key: 'before',
          lit: 'before',
          title: 'inverse before',
          caption: formula(n === 0 ? 'F_0^{-1} = λ^{-1} I' : `F_{${n - 1}}^{-1}`),
          at: (i, j) => before[i][j],
        },
        {
          key: 'correction',
          lit: 'x',
          title: 'subtracted',
          caption: n === 0 ? 'nothing yet' : formula(`x_{${n}} x_{${n}}^⊤ / (N + g_{${n}}^⊤ x_{${n}})`),
          at: (i, j) => (n === 0 ? 0 : step.correction[i][j]),
        },
        { key: 'after', lit: 'after', title: 'inverse after', caption: formula(`F_{${n}}^{-1}`), at: (i, j) => step.inverse[i][j] },
      ];
      const next = {
        panels,
        n: p.names.length,
        names: p.names,
        max: 1 / p.lambda,
        power: 2,
        numbers: p.names.length <= written,
        hint: 'Point at an entry to read it before and after this example.',
      };
      if (view) view.update(next);
      else view = espalier.matrixPanels(matrices, next);
      strips.replaceChildren(
        strip('g', n > 0 ? formula(`g_{${n}}`) : formula('g'), g, Math.max(...p.G.flat().map(Math.abs)), p.names),
        strip('x', n > 0 ? formula(`x_{${n}} = F_{${n - 1}}^{-1} g_{${n}}`) : formula('x'), x, Math.max(...x.map(Math.abs)), p.names),
      );
      numbers.replaceChildren(...sentence(p, n));
      host.dataset.step = n;
      await chart?.update(diagonals());
    }
    await show();
    const below = element('div', {});
    host.append(below);
    chart = await espalier.chart(below, {
      name: 'inverse-diagonal',
      title: 'The diagonal of the inverse, as examples come in',
      rows: diagonals(),
      spec: () => diagonalSpec(p.names, p.steps),
      guide:
        'One line per weight, from 1/λ downwards. A line that falls belongs to a weight that examples are sensitive to: its saliency w² / (2 [F⁻¹]qq) rises as the line falls.',
    });
    files.csv = () => ({
      columns: ['examples', 'row', 'column', 'inverse'],
      rows: p.steps.flatMap((s, n) =>
        s.inverse.flatMap((row, i) => row.map((inverse, j) => ({ examples: n, row: p.names[i], column: p.names[j], inverse }))),
      ),
    });
    files.picture = () => [...matrices.querySelectorAll('canvas[tabindex]')];
  }

  espalier.recursionFigure = (container, data) =>
    espalier.networkFigure(container, data, {
      name: 'woodbury',
      title: 'The inverse, one example at a time',
      what: { csv: 'inverses', picture: 'pictures' },
      draw,
      guide:
        'Step through the examples with the buttons, or with the arrow keys while the figure has the focus. Each example subtracts one rank-one picture from the inverse. Point at a part of the formula, or at a picture: what belongs together is lit.',
    });
})();

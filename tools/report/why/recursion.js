// recursion.js: figure of chapter 3: the Woodbury recursion on a few weights of the user's network, example by example,
// the formula lit together with the pictures of its parts.
espalier.recursionFigure = (container, data) =>
  espalier.networkFigure(container, data, {
    name: 'woodbury',
    what: { csv: 'inverses', picture: 'pictures' },
    title: 'The inverse, one example at a time',
    guide:
      'Step through the examples with the buttons, or with the arrow keys while the figure has the focus. Each example subtracts one rank-one picture from the inverse. Point at a part of the formula, or at a picture: what belongs together is lit.',
    draw: (host, tour, run, files) => {
      const { element, format, choice, slider, toolbar, formula } = espalier,
        { woodbury, matrix } = espalier;
      const state = { layer: tour.layers[0], count: 6, lambda: 0, n: 0, playing: null };

      /** The `count` weights of the block whose gradients are largest, in their order. */
      const weights = () => {
        const { rows, w } = state.layer.block;
        const size = w.map((_, q) => rows.reduce((sum, row) => sum + row.g[q] ** 2, 0));
        return w
          .map((_, q) => q)
          .sort((a, b) => size[b] - size[a] || a - b)
          .slice(0, Math.min(state.count, w.length))
          .sort((a, b) => a - b);
      };
      let rows, names, steps, typical;
      function prepare() {
        const chosen = weights();
        rows = state.layer.block.rows.map((row) => chosen.map((q) => row.g[q]));
        names = chosen.map((q) => state.layer.block.names[q]);
        typical = rows.reduce((sum, g) => sum + matrix.dot(g, g), 0) / rows.length / names.length || 1;
        typical /= 30; // small enough that examples count
        steps = woodbury.recursion(rows, state.lambda || typical);
        state.n = Math.min(state.n, rows.length);
      }

      const bar = toolbar(host);
      const restart = () => {
        prepare();
        lambda.set(Math.log10(state.lambda || typical));
        show();
      };
      choice(bar, {
        label: 'Layer',
        value: state.layer,
        options: tour.layers.map((l) => ({ value: l, label: l.name })),
        onChange: (v) => {
          state.layer = v;
          state.n = 0;
          state.lambda = 0;
          restart();
        },
      });
      choice(bar, {
        label: 'Weights',
        value: 6,
        options: [3, 6, 12, 24].map((v) => ({ value: v, label: String(v) })),
        onChange: (v) => {
          state.count = v;
          restart();
        },
      });
      const lambda = slider(bar, {
        label: 'Dampening λ',
        min: -9,
        max: 0,
        step: 0.25,
        value: -4,
        format: (v) => format.number(10 ** v, 2),
        onInput: (v) => {
          state.lambda = 10 ** v;
          prepare();
          show();
        },
      });

      const stepper = element('div', { class: 'stepper', role: 'group', 'aria-label': 'steps of the recursion' });
      const button = (label, text, act) =>
        element('button', { type: 'button', 'aria-label': label, on: { click: act } }, text);
      const go = (n) => {
        state.n = Math.max(0, Math.min(rows.length, n));
        show();
      };
      const stop = () => {
        clearInterval(state.playing);
        state.playing = null;
        play.textContent = '▶ play';
        play.setAttribute('aria-label', 'play all steps');
      };
      const play = button('play all steps', '▶ play', () => {
        if (state.playing !== null) return stop();
        if (state.n === rows.length) go(0);
        play.textContent = '❚❚ pause';
        play.setAttribute('aria-label', 'pause');
        state.playing = setInterval(() => {
          go(state.n + 1);
          if (state.n === rows.length || !host.isConnected) stop();
        }, 900);
      });
      const at = element('output', { class: 'at' });
      stepper.append(
        button('to the start', '|◀', () => {
          stop();
          go(0);
        }),
        button('one example back', '◀ back', () => {
          stop();
          go(state.n - 1);
        }),
        button('next example', 'next ▶', () => {
          stop();
          go(state.n + 1);
        }),
        play,
        at,
      );

      const formulas = element('div', { class: 'formulas' });
      const pictures = element('div', { class: 'recursion-pictures' });
      const numbers = element('p', { class: 'numbers-line', role: 'status' });
      const body = element(
        'div',
        {
          class: 'recursion',
          tabindex: '0',
          role: 'group',
          'aria-label': 'Woodbury recursion: arrow keys step through the examples',
          on: {
            keydown: (event) => {
              const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
              if (!by || event.target.closest('input, select')) return;
              event.preventDefault();
              stop();
              go(state.n + by);
            },
          },
        },
        formulas,
        pictures,
        numbers,
      );
      host.append(stepper, body);
      formulas.append(
        formula(
          '\\lit{after}{F_n^{-1}} = \\lit{before}{F_{n-1}^{-1}} - \\frac{\\lit{x}{x_n} \\lit{x}{x_n^⊤}}{\\lit{denominator}{N + g_n^⊤ x_n}} , \\text{  } \\lit{x}{x_n = F_{n-1}^{-1}} \\lit{g}{g_n} , \\text{  } F_0^{-1} = λ^{-1} I',
          { block: true },
        ),
      );
      espalier.light(body);

      let view = null;
      const strips = element('div', { class: 'strips' });
      pictures.append(strips);
      const matrices = element('div', {});
      pictures.append(matrices);

      /** A vector as a row of cells. */
      function strip(lit, source, values, max, place) {
        const cells = values.map((v, q) => {
          const theme = espalier.theme(),
            share = max > 0 ? Math.abs(v) / max : 0;
          const bar = element('i', {});
          bar.style.height = `${50 * share}%`;
          bar.style[v < 0 ? 'top' : 'bottom'] = '50%';
          bar.style.background = v < 0 ? theme.orange : theme.blue;
          return element(
            'span',
            { class: 'cell', title: `${place[q]}: ${format.number(v, 4)}` },
            bar,
            names.length <= 6 ? element('small', {}, format.number(v, 2)) : null,
          );
        });
        return element(
          'div',
          { class: 'strip', 'data-lit': lit },
          element('div', { class: 'strip-name' }, formula(source)),
          element(
            'div',
            { class: 'cells', role: 'img', 'aria-label': values.map((v) => format.number(v, 3)).join(', ') },
            cells,
          ),
        );
      }

      function show() {
        const { n } = state,
          step = steps[n],
          before = steps[Math.max(0, n - 1)].inverse,
          N = rows.length;
        const zero = matrix.zeros(names.length);
        const correction = n > 0 ? step.correction : zero;
        at.textContent = n === 0 ? `start: no example yet, N = ${N}` : `example ${n} of N = ${N}`;
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
            at: (i, j) => correction[i][j],
          },
          {
            key: 'after',
            lit: 'after',
            title: 'inverse after',
            caption: formula(`F_{${n}}^{-1}`),
            at: (i, j) => step.inverse[i][j],
          },
        ];
        const max = Math.max(...steps[0].inverse.flat());
        const next = {
          panels,
          n: names.length,
          names,
          max,
          power: 2,
          numbers: names.length <= 6,
          hint: 'Point at an entry to read it before and after this example.',
        };
        if (view) {
          view.update(next);
          panels.forEach((p, k) => {
            matrices.querySelectorAll('figcaption')[k].replaceChildren(p.caption);
          });
        } else view = espalier.matrixPanels(matrices, next);
        const g = n > 0 ? rows[n - 1] : names.map(() => 0),
          x = n > 0 ? step.x : names.map(() => 0);
        strips.replaceChildren(
          strip('g', n > 0 ? `g_{${n}}` : 'g', g, Math.max(...rows.flat().map(Math.abs)), names),
          strip('x', n > 0 ? `x_{${n}} = F_{${n - 1}}^{-1} g_{${n}}` : 'x', x, Math.max(...x.map(Math.abs)), names),
        );
        const trace = (m) => m.reduce((sum, row, i) => sum + row[i], 0);
        numbers.replaceChildren();
        const say = (...parts) => numbers.append(...parts);
        if (n === 0)
          say(
            `Before the first example the inverse is 1/λ = ${format.number(1 / (state.lambda || typical))} on the diagonal: nothing is known to cost anything, so every weight is cheap.`,
          );
        else {
          const lit = (name, ...text) => element('span', { class: 'lit', 'data-lit': name }, ...text);
          say(
            lit(
              'denominator',
              formula(`N + g_{${n}}^⊤ x_{${n}}`),
              ` = ${N} + ${format.number(step.gx)} = ${format.number(step.denominator)}`,
            ),
            '. The trace of the inverse falls from ',
            lit('before', format.number(trace(before))),
            ' to ',
            lit('after', format.number(trace(step.inverse))),
            '.',
          );
          if (n === N) {
            const direct = matrix.inverse(woodbury.partialFisher(rows, state.lambda || typical, N)),
              closed = woodbury.closedForm(rows, state.lambda || typical);
            say(
              ` All ${N} examples are in: the direct inverse of λI + (1/N) Σ gₙgₙᵀ differs by ${format.number(woodbury.difference(step.inverse, direct), 2)} of its largest entry, the closed form by ${format.number(woodbury.difference(step.inverse, closed), 2)}.`,
            );
          }
        }
        host.dataset.step = n;
        chart?.then((made) => made.update(diagonals()));
      }

      const diagonals = () =>
        steps
          .slice(0, state.n + 1)
          .flatMap((step, n) =>
            names.map((weight, q) => ({ example: n, weight, inverse_diagonal: step.inverse[q][q] })),
          );
      let chart = null;
      prepare();
      lambda.set(Math.log10(typical));
      show();
      const below = element('div', {});
      host.append(below);
      chart = espalier.chart(below, {
        name: 'inverse-diagonal',
        title: 'The diagonal of the inverse, as examples come in',
        rows: diagonals(),
        guide:
          'One line per weight, from 1/λ downwards. A line that falls belongs to a weight that examples are sensitive to: its saliency w² / (2 [F⁻¹]qq) rises as the line falls.',
        spec: () =>
          espalier.spec.xy({
            x: { field: 'example', title: 'examples so far', domain: [0, rows.length], format: 'd' },
            y: {
              field: 'inverse_diagonal',
              title: 'diagonal of the inverse (log)',
              type: 'log',
              domain: [
                Math.min(...steps[rows.length].inverse.map((row, i) => row[i])) * 0.9,
                steps[0].inverse[0][0] * 1.1,
              ],
            },
            height: 220,
            colour: {
              field: 'weight',
              domain: names,
              range: names.map((_, q) => espalier.seriesColour(q)),
              legend: names.length <= 6,
            },
            marks: [
              espalier.spec.line({ x: 'example', y: 'inverse_diagonal', series: 'weight' }),
              espalier.spec.points({
                x: 'example',
                y: 'inverse_diagonal',
                series: 'weight',
                size: 20,
                tooltip: {
                  weight: 'datum.weight',
                  examples: 'datum.example',
                  value: "format(datum.inverse_diagonal, '.4~g')",
                },
              }),
            ],
          }),
      });
      files.csv = () => ({
        columns: ['examples', 'row', 'column', 'inverse'],
        rows: steps.flatMap((s, n) =>
          s.inverse.flatMap((row, i) =>
            row.map((inverse, j) => ({ examples: n, row: names[i], column: names[j], inverse })),
          ),
        ),
      });
      files.picture = () => [...matrices.querySelectorAll('canvas[tabindex]')];
      return chart;
    },
  });

// matrices.js: Hessian, true and empirical Fisher of some weights side by side, and their difference.
(() => {
  const { element, format, choice, slider, toolbar, networkFigure, blockMatrices, pictureMatrices, layerOptions, kinds } = espalier;
  const largest = (...matrices) => Math.max(...matrices.flat(2).map(Math.abs));
  /** Four pictures and the row under the cursor. */
  espalier.matricesFigure = (container, data) =>
    networkFigure(container, data, {
      name: 'matrices',
      what: { csv: 'matrices', picture: 'pictures' },
      title: 'Hessian, empirical Fisher, true Fisher, and what is between them',
      guide:
        'Each picture is a matrix over the same weights of one layer; entry $(i,j)$ says how much the loss bends when weights $i$ and $j$ move together. Blue is positive, orange negative, one scale for all. Point, tap or use the arrow keys to read an entry in all of them; a click or Enter shows the whole row of a weight below.',
      draw: async (host, tour, run, files) => {
        const state = {
          layer: tour.layers[0],
          view: 'block',
          at: tour.examples.length - 1,
          minus: 'empirical_fisher',
          row: 0,
        };
        const bar = toolbar(host),
          where = element('p', { class: 'where' }),
          pictures = element('div', {}),
          below = element('div', {});
        host.append(where, pictures, below);
        choice(bar, {
          label: 'Layer',
          options: layerOptions(tour),
          value: state.layer,
          onChange: (v) => {
            state.layer = v;
            state.row = 0;
            show();
          },
        });
        choice(bar, {
          label: 'Weights',
          value: 'block',
          onChange: (v) => {
            state.view = v;
            state.row = 0;
            show();
          },
          options: [
            { value: 'block', label: 'a block of one filter or neuron' },
            { value: 'picture', label: 'several filters or neurons' },
          ],
        });
        const examples = slider(bar, {
          label: 'Examples',
          min: 0,
          max: tour.examples.length - 1,
          step: 1,
          value: state.at,
          format: (i) => format.count(tour.examples[i]),
          onInput: (i) => {
            state.at = i;
            show();
          },
        });
        choice(bar, {
          label: 'Difference',
          value: 'empirical_fisher',
          onChange: (v) => {
            state.minus = v;
            show();
          },
          options: [
            { value: 'empirical_fisher', label: 'empirical Fisher − Hessian' },
            { value: 'sampled_fisher', label: 'drawn labels − Hessian' },
          ],
        });

        let view = null,
          chart = null;
        const current = () => {
          const block = state.view === 'block',
            { layer } = state;
          const m = block ? blockMatrices(layer, state.at) : pictureMatrices(layer);
          return {
            m,
            n: m.hessian.length,
            names: block ? layer.block.names : layer.picture.names,
            removed: block ? layer.block.removed : layer.picture.removed,
            like: block ? layer.block.matrices[state.at] : null,
            block,
          };
        };
        const rowOf = ({ m, names }) =>
          kinds.flatMap((kind) => m[kind.key][state.row].map((value, j) => ({ position: j, weight: names[j], matrix: kind.title, value })));
        async function show() {
          const c = current(),
            difference = c.m[state.minus].map((row, i) => row.map((v, j) => v - c.m.hessian[i][j]));
          examples.input.disabled = !c.block;
          const { layer } = state,
            like = c.like;
          const n = format.count(c.block ? tour.examples[state.at] : layer.picture.examples);
          where.textContent =
            `${c.n} weights of ${layer.name}, means over ${n} training examples. ` +
            (like
              ? `Cosine to the Hessian: empirical Fisher ${format.number(like.empirical_like.cosine, 3)}, drawn labels ${format.number(like.sampled_like.cosine, 3)}. `
              : `${layer.picture.filters.length} ${espalier.unitOf(layer)}s, ${layer.picture.per_filter} weights of each. `) +
            // Beyond rounding only where smooth activations (or products of values) follow the layer.
            (layer.hessian_error < 1e-2
              ? 'The Hessian is the exact true Fisher of the layer; a Hessian-vector product'
              : 'Shown as the Hessian is the true Fisher of the layer, which is only part of it here, since smooth functions follow; a product with the Hessian itself') +
            ` over ${format.count(layer.hessian_checked_examples)} examples differs by ${format.number(layer.hessian_error, 2)} of its length.`;
          const panels = [
            ...kinds.map((kind) => ({ ...kind, at: (i, j) => c.m[kind.key][i][j] })),
            {
              key: 'difference',
              title: state.minus === 'empirical_fisher' ? 'empirical Fisher − Hessian' : 'drawn labels − Hessian',
              at: (i, j) => difference[i][j],
            },
          ];
          const next = {
            panels,
            n: c.n,
            names: c.names,
            removed: c.removed,
            max: largest(...kinds.map((kind) => c.m[kind.key])),
            power: 2,
            outline: c.block ? 0 : layer.picture.per_filter,
            onSelect: (i) => {
              state.row = i;
              showRow();
            },
          };
          if (view) view.update(next);
          else view = espalier.matrixPanels(pictures, next);
          await showRow();
        }
        async function showRow() {
          const c = current();
          state.row = Math.min(state.row, c.n - 1);
          const rows = rowOf(c);
          if (chart) {
            chart.figure.querySelector('h3').textContent = `The row of ${c.names[state.row]}`;
            return chart.update(rows);
          }
          chart = await espalier.chart(below, {
            name: 'matrix-row',
            title: `The row of ${c.names[state.row]}`,
            rows,
            guide:
              'The bend of the loss along this weight (the tall entry) and between it and each other weight. Where the three lines lie on each other the cheap matrix is as good as the exact one.',
            spec: ({ theme }) =>
              espalier.spec.xy({
                x: { field: 'position', title: 'weight (position in the picture)', nice: false },
                y: { field: 'value', title: 'entry', zero: true },
                height: 200,
                colour: {
                  field: 'matrix',
                  domain: kinds.map((k) => k.title),
                  range: [theme.red, theme.blue, theme.green],
                  each: 210,
                },
                marks: [
                  espalier.spec.line({ x: 'position', y: 'value', series: 'matrix' }),
                  espalier.spec.points({
                    x: 'position',
                    y: 'value',
                    series: 'matrix',
                    size: 22,
                    tooltip: { weight: 'datum.weight', matrix: 'datum.matrix', entry: "format(datum.value, '.3~g')" },
                  }),
                ],
              }),
          });
          return chart;
        }
        files.csv = () => {
          const c = current();
          return {
            columns: ['matrix', 'row', 'column', 'value'],
            rows: kinds.flatMap((kind) =>
              c.m[kind.key].flatMap((row, i) =>
                row.map((value, j) => ({ matrix: kind.title, row: c.names[i], column: c.names[j], value })),
              ),
            ),
          };
        };
        files.picture = () => [...pictures.querySelectorAll('canvas[tabindex]')];
        await show();
      },
    });
})();

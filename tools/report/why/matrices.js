// matrices.js: figures of chapter 2: Hessian, true and empirical Fisher of some weights side by side, how alike they are
// over the number of examples, and what a block-diagonal approximation leaves out.
Object.assign(
  espalier,
  (() => {
    const { element, format, choice, slider, toolbar, networkFigure, blockMatrices, pictureMatrices } = espalier;
    const kinds = [
      { key: 'hessian', title: 'Hessian' },
      { key: 'empirical_fisher', title: 'empirical Fisher' },
      { key: 'sampled_fisher', title: 'true Fisher, drawn labels' },
    ];
    const largest = (...matrices) => Math.max(...matrices.flat(2).map(Math.abs));
    const layerOptions = (tour) =>
      tour.layers.map((layer) => ({ value: layer, label: `${layer.name} (${format.count(layer.weights)} weights)` }));

    /** Four pictures and the row under the cursor. */
    const matricesFigure = (container, data) =>
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
              { value: 'block', label: 'a block of one filter' },
              { value: 'picture', label: 'several filters' },
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
            kinds.flatMap((kind) =>
              m[kind.key][state.row].map((value, j) => ({ position: j, weight: names[j], matrix: kind.title, value })),
            );
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
                : `${layer.picture.filters.length} filters, ${layer.picture.per_filter} weights of each. `) +
              `The Hessian is the exact true Fisher of the layer; a Hessian-vector product over ${format.count(layer.hessian_checked_examples)} examples differs by ${format.number(layer.hessian_error, 2)} of its length.`;
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

    /** Cosine and rank correlation to the Hessian over the number of examples. */
    const likenessFigure = (container, data) =>
      networkFigure(container, data, {
        name: 'likeness',
        draw: async (host, tour) => {
          const rowsOf = (layer) =>
            layer.picture.like.flatMap((entry) =>
              [
                ['empirical', 'empirical Fisher'],
                ['sampled', 'true Fisher, drawn labels'],
              ].flatMap(([key, matrix]) => [
                { examples: entry.examples, matrix, measure: 'cosine of the matrices', value: entry[key].cosine },
                {
                  examples: entry.examples,
                  matrix,
                  measure: 'rank correlation of the diagonals',
                  value: entry[key].rank_correlation,
                },
              ]),
            );
          const bar = toolbar(host);
          let chart = null;
          choice(bar, {
            label: 'Layer',
            options: layerOptions(tour),
            value: tour.layers[0],
            onChange: (layer) => chart.update(rowsOf(layer)),
          });
          chart = await espalier.chart(host, {
            name: 'likeness',
            title: 'How fast the Fishers become the Hessian',
            rows: rowsOf(tour.layers[0]),
            guide:
              "Some weights of several filters of a layer, more and more examples. Solid: cosine of the two matrices as vectors. Dashed: Spearman's rank correlation of the diagonals, on which a ranking depends. Drawn labels must lead to 1, for their mean is the Hessian; how near the data's labels come depends on how well the network predicts them.",
            spec: ({ theme }) => {
              const one = (measure, dash, shape) => {
                const name = measure.startsWith('cosine') ? 'cosines' : 'ranks';
                return {
                  data: {
                    name,
                    source: 'rows',
                    transform: [{ type: 'filter', expr: `datum.measure === ${JSON.stringify(measure)}` }],
                  },
                  marks: [
                    espalier.spec.line({
                      x: 'examples',
                      y: 'value',
                      series: 'matrix',
                      dash: { value: dash },
                      data: name,
                    }),
                    espalier.spec.points({
                      x: 'examples',
                      y: 'value',
                      series: 'matrix',
                      shape,
                      data: name,
                      tooltip: {
                        matrix: 'datum.matrix',
                        measure: 'datum.measure',
                        examples: 'datum.examples',
                        value: "format(datum.value, '.4f')",
                      },
                    }),
                  ],
                };
              };
              const parts = [
                one('cosine of the matrices', [1, 0], 'circle'),
                one('rank correlation of the diagonals', [6, 4], 'square'),
              ];
              return espalier.spec.xy({
                x: { field: 'examples', title: 'training examples (log)', type: 'log', values: tour.examples },
                y: { field: 'value', title: 'likeness to the Hessian' },
                height: 240,
                colour: {
                  field: 'matrix',
                  domain: ['empirical Fisher', 'true Fisher, drawn labels'],
                  range: [theme.blue, theme.green],
                },
                data: parts.map((p) => p.data),
                marks: parts.flatMap((p) => p.marks),
              });
            },
          });
          chart.host.before(bar);
        },
      });

    /** Diagonal blocks of growing size and the share of squared mass within them. */
    const blocksFigure = (container, data) =>
      networkFigure(container, data, {
        name: 'blocks',
        title: 'What a block-diagonal matrix keeps',
        guide:
          'Only the framed blocks are kept; the grey is left out, as `fisher_block_size` does it for the whole layer. Weights are in the order of memory, filter by filter: a block as wide as a filter keeps what the weights of that filter have to do with each other.',
        draw: async (host, tour, run, files) => {
          const state = { layer: tour.layers[0], kind: 'hessian', at: 3 };
          const bar = toolbar(host),
            verdict = element('p', { class: 'verdict', role: 'status' }),
            pictures = element('div', { class: 'single' }),
            below = element('div', {});
          host.append(verdict, pictures, below);
          choice(bar, {
            label: 'Layer',
            options: layerOptions(tour),
            value: state.layer,
            onChange: (v) => {
              state.layer = v;
              show();
            },
          });
          choice(bar, {
            label: 'Matrix',
            value: 'hessian',
            options: kinds.slice(0, 2).map((k) => ({ value: k.key, label: k.title })),
            onChange: (v) => {
              state.kind = v;
              show();
            },
          });
          const sizes = () => state.layer.picture.mass;
          const size = slider(bar, {
            label: 'Weights per block',
            min: 0,
            max: sizes().length - 1,
            step: 1,
            value: state.at,
            format: (i) => format.count(sizes()[Math.min(i, sizes().length - 1)].block),
            onInput: (i) => {
              state.at = i;
              show();
            },
          });
          const rows = () =>
            sizes().flatMap((m) =>
              kinds
                .slice(0, 2)
                .flatMap((k) => (m[k.key] === null ? [] : [{ block: m.block, matrix: k.title, kept: m[k.key] }])),
            );
          let view = null,
            chart = null;
          async function show() {
            const { picture } = state.layer;
            size.input.max = sizes().length - 1;
            state.at = Math.min(state.at, sizes().length - 1);
            size.set(state.at);
            const mass = sizes()[state.at],
              b = mass.block,
              m = pictureMatrices(state.layer)[state.kind];
            verdict.replaceChildren(
              'Blocks of ',
              element('b', {}, format.count(b)),
              ' keep ',
              element('b', {}, format.percent(mass[state.kind], 1)),
              ` of the squared mass of these ${picture.size} weights of ${state.layer.name} and leave out ${format.percent(1 - mass[state.kind], 1)}. A filter has ${picture.per_filter} weights here.`,
            );
            const next = {
              panels: [
                { key: state.kind, title: kinds.find((k) => k.key === state.kind).title, at: (i, j) => m[i][j] },
              ],
              n: picture.size,
              names: picture.names,
              removed: picture.removed,
              max: picture.scale,
              power: 2,
              outline: b,
              dim: (i, j) => Math.floor(i / b) !== Math.floor(j / b),
            };
            if (view) view.update(next);
            else view = espalier.matrixPanels(pictures, next);
            if (chart) await chart.update(rows());
          }
          await show();
          chart = await espalier.chart(below, {
            name: 'kept-by-blocks',
            title: 'Share of the squared mass kept',
            rows: rows(),
            guide:
              'From the diagonal alone (a block of one: Optimal Brain Damage) to one block for all. The curve is steep up to the width of a filter where filters have little to do with each other.',
            spec: ({ theme }) =>
              espalier.spec.xy({
                x: {
                  field: 'block',
                  title: 'weights per block (log)',
                  type: 'log',
                  values: sizes().map((s) => s.block),
                  format: 'd',
                },
                y: { field: 'kept', title: 'kept', format: '.0%', domain: [0, 1] },
                height: 220,
                colour: { field: 'matrix', domain: ['Hessian', 'empirical Fisher'], range: [theme.red, theme.blue] },
                marks: [
                  espalier.spec.line({ x: 'block', y: 'kept', series: 'matrix' }),
                  espalier.spec.points({
                    x: 'block',
                    y: 'kept',
                    series: 'matrix',
                    tooltip: { matrix: 'datum.matrix', block: 'datum.block', kept: "format(datum.kept, '.2%')" },
                  }),
                ],
              }),
          });
          files.picture = () => pictures.querySelector('canvas[tabindex]');
        },
      });

    return { matricesFigure, likenessFigure, blocksFigure };
  })(),
);

// blocks.js: what a block-diagonal approximation keeps and what it leaves out.
(() => {
  const { element, format, choice, slider, toolbar, networkFigure, pictureMatrices, layerOptions, kinds } = espalier;

  /** Diagonal blocks of growing size and the share of squared mass within them. */
  espalier.blocksFigure = (container, data) =>
    networkFigure(container, data, {
      name: 'blocks',
      title: 'What a block-diagonal matrix keeps',
      guide:
        'Left, the framed blocks that are kept; right, all that is taken for zero, as `fisher_block_size` does it for the whole layer. Weights are in the order of memory, filter by filter: a block as wide as a filter keeps what the weights of that filter have to do with each other.',
      draw: async (host, tour, run, files) => {
        const state = {
          layer: tour.layers[0],
          kind: 'hessian',
          at: Math.max(
            0,
            tour.layers[0].picture.mass.findIndex((m) => m.block === tour.layers[0].picture.per_filter),
          ),
        };
        const bar = toolbar(host),
          verdict = element('p', { class: 'verdict', role: 'status' }),
          pictures = element('div', { class: 'wide' }),
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
            kinds.slice(0, 2).flatMap((k) => (m[k.key] === null ? [] : [{ block: m.block, matrix: k.title, kept: m[k.key] }])),
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
            ` of the squared mass of these ${picture.size} weights of ${state.layer.name} and leave out ${format.percent(1 - mass[state.kind], 1)}. A ${espalier.unitOf(state.layer)} has ${picture.per_filter} weights here.`,
          );
          const within = (i, j) => Math.floor(i / b) === Math.floor(j / b);
          const next = {
            panels: [
              { key: 'kept', title: 'kept', at: (i, j) => m[i][j], dim: (i, j) => !within(i, j) },
              { key: 'left-out', title: 'left out', at: (i, j) => m[i][j], dim: within },
            ],
            n: picture.size,
            names: picture.names,
            removed: picture.removed,
            max: picture.scale,
            power: 2,
            outline: b,
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
                nice: false,
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
        files.picture = () => [...pictures.querySelectorAll('canvas[tabindex]')];
      },
    });
})();

// likeness.js: how alike Hessian and Fishers are over the number of examples.
(() => {
  const { choice, toolbar, networkFigure, layerOptions } = espalier;

  /** Cosine and rank correlation to the Hessian over the number of examples. */
  espalier.likenessFigure = (container, data) =>
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
            const parts = [one('cosine of the matrices', [1, 0], 'circle'), one('rank correlation of the diagonals', [6, 4], 'square')];
            return espalier.spec.xy({
              x: { field: 'examples', title: 'training examples (log)', type: 'log', nice: false, values: tour.examples },
              y: { field: 'value', title: 'likeness to the Hessian' },
              height: 240,
              colour: {
                field: 'matrix',
                domain: ['empirical Fisher', 'true Fisher, drawn labels'],
                range: [theme.blue, theme.green],
                each: 210,
              },
              data: parts.map((p) => p.data),
              marks: parts.flatMap((p) => p.marks),
            });
          },
        });
        chart.host.before(bar);
      },
    });
})();

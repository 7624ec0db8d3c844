// k_weights.js: removing k weights of a block of the user's network, set by set, under the quadratic model.
espalier.kWeightsFigure = (container, data) =>
  espalier.networkFigure(container, data, {
    name: 'k-weights',
    draw: async (host, tour) => {
      const { format, choice, slider, toolbar } = espalier,
        q = espalier.quadratic;
      const state = { layer: tour.layers[0], lambda: null };
      const methods = [
        { name: 'magnitude, zeroed', colour: 'orange', dash: [2, 3] },
        { name: 'OBD, zeroed', colour: 'sky', dash: [8, 4] },
        { name: 'WoodFisher, sum of single updates', colour: 'blue', dash: [1, 0] },
        { name: "WoodFisher's set, joint update", colour: 'purple', dash: [10, 3, 2, 3] },
        { name: 'one after the other (greedy), joint update', colour: 'green', dash: [1, 0] },
      ];
      const problem = () => {
        const H = espalier.blockMatrices(state.layer, tour.examples.length - 1).hessian,
          size = H.length;
        const mean = H.reduce((sum, row, i) => sum + row[i], 0) / size;
        return q.model({
          w: state.layer.block.w,
          H,
          lambda: 10 ** (state.lambda ?? Math.log10(Math.max(mean, 1e-12) / 100)),
        });
      };
      /** Backward elimination: the cheapest next weight, given that those before are gone. */
      function greedyOrder(m) {
        const order = [],
          left = m.w.map((_, i) => i);
        let inverse = m.inverse,
          w = m.w;
        while (left.length > 0) {
          const rho = left.map((_, k) => w[k] ** 2 / (2 * inverse[k][k])),
            k = q.lowest(rho),
            column = inverse.map((row) => row[k]);
          const keep = left.map((_, i) => i).filter((i) => i !== k);
          w = keep.map((i) => w[i] - (column[i] * w[k]) / column[k]);
          inverse = keep.map((i) => keep.map((j) => inverse[i][j] - (column[i] * column[j]) / column[k]));
          order.push(left.splice(k, 1)[0]);
        }
        return order;
      }
      function rows() {
        const m = problem(),
          orders = {
            magnitude: q.ranking(q.saliency.magnitude(m)),
            obd: q.ranking(q.saliency.diagonal_fisher(m)),
            wood: q.ranking(q.saliency.woodfisher(m)),
            greedy: greedyOrder(m),
          };
        const result = [];
        for (let k = 1; k < m.w.length; ++k) {
          const first = (order) => order.slice(0, k),
            put = (i, delta) => result.push({ k, method: methods[i].name, loss: Math.max(q.cost(m, delta), 1e-300) });
          put(0, q.zeroed(m, first(orders.magnitude)));
          put(1, q.zeroed(m, first(orders.obd)));
          put(2, q.simultaneousZeroed(m, first(orders.wood)));
          put(3, q.joint(m, first(orders.wood)));
          put(4, q.joint(m, first(orders.greedy)));
        }
        return result;
      }
      const bar = toolbar(host);
      let chart = null;
      choice(bar, {
        label: 'Layer',
        value: state.layer,
        options: espalier.layerOptions(tour),
        onChange: (v) => {
          state.layer = v;
          state.lambda = null;
          const m = problem();
          lambda.set(Math.log10(m.lambda));
          chart.update(rows());
        },
      });
      const lambda = slider(bar, {
        label: 'Dampening λ',
        min: -9,
        max: 0,
        step: 0.25,
        value: Math.round(4 * Math.log10(problem().lambda)) / 4,
        format: (v) => format.number(10 ** v, 2),
        onInput: (v) => {
          state.lambda = v;
          chart.update(rows());
        },
      });
      chart = await espalier.chart(host, {
        name: 'k-weights',
        title: 'Removing k weights of a block of your network',
        rows: rows(),
        columns: ['k', 'method', 'loss'],
        guide:
          "Each curve removes the k weights that its method ranks lowest and lets the others move as the method says; the height is what the quadratic model then loses (a block of one filter, its Hessian plus λ). Lower is better. The distance between the two curves of WoodFisher's set is what the sum of single updates gives away; the greedy curve shows what choosing each weight in the light of those already gone is worth.",
        spec: ({ theme }) =>
          espalier.spec.xy({
            height: 300,
            x: { field: 'k', title: 'weights removed', format: 'd' },
            y: { field: 'loss', title: 'loss change under the model (log)', type: 'log', format: '.0e' },
            colour: {
              field: 'method',
              domain: methods.map((v) => v.name),
              range: methods.map((v) => theme[v.colour]),
              dashes: methods.map((v) => v.dash),
              each: 300,
            },
            legends: [],
            marks: methods.map((v, i) => ({
              type: 'group',
              from: { facet: { name: `of${i}`, data: `rows${i}`, groupby: 'method' } },
              marks: [
                espalier.spec.line({
                  x: 'k',
                  y: 'loss',
                  colour: { value: theme[v.colour] },
                  dash: { value: v.dash },
                  data: `of${i}`,
                }),
              ],
            })),
            data: methods.map((v, i) => ({
              name: `rows${i}`,
              source: 'rows',
              transform: [{ type: 'filter', expr: `datum.method === ${JSON.stringify(v.name)}` }],
            })),
          }),
      });
      chart.host.before(bar);
    },
  });

// inputs.js: which inputs of a linear layer still have weights, laid out as the picture or feature maps they come from.
espalier.section({
  id: 'inputs', part: 'happened', title: 'Inputs that survive', folded: true,
  needs: (data) => data.runs.some((run) => run.layers.some((layer) => layer.inputs && layer.kept < layer.weights)),
  draw(container, data) {
    const { element, runs, format } = espalier;

    /** How the inputs lie: {maps, height, width}: images or the feature maps of the convolution before, else one row. */
    const grid_of = (run, layer) => {
      const inputs = layer.inputs.length, before = run.layers.slice(0, run.layers.indexOf(layer)).filter((l) => l.shape.length === 4).at(-1);
      const first = run.layers[0] === layer;
      for (const maps of [before?.shape[0], first ? 1 : undefined, first ? 3 : undefined]) {
        const side = Math.sqrt(inputs / maps);
        if (Number.isInteger(side) && (side > 1 || maps > 1)) return { maps, height: side, width: side, known: true };
      }
      return { maps: 1, height: Math.ceil(inputs / 32), width: Math.min(32, inputs), known: false };
    };
    const name_of = (grid, j) => {
      if (!grid.known) return { input: j };
      const area = grid.height * grid.width;
      return { input: j, ...(grid.maps > 1 ? { map: Math.floor(j / area) } : {}), row: Math.floor((j % area) / grid.width), column: j % grid.width };
    };
    return runs.each(container, data.runs.filter((run) => run.layers.some((layer) => layer.inputs)), (place, run) => {
      const layers = run.layers.filter((layer) => layer.inputs);
      const bar = espalier.toolbar(place), body = element('div');
      place.append(body);
      const draw = (name) => {
        body.replaceChildren();
        const layer = layers.find((l) => l.name === name), grid = grid_of(run, layer), most = layer.shape[0], highest = Math.max(...layer.inputs, 1), gap = grid.maps > 1 ? 3 : 0;
        const dead = layer.inputs.filter((kept) => kept === 0).length;
        let at = null;
        const layout = (width) => {
          const per_row = Math.max(1, Math.min(grid.maps, Math.floor(width / (grid.width * 12 + gap)), 16));
          const pixel = Math.max(2, Math.min(14, Math.floor((Math.min(width, 640) / per_row - gap) / grid.width)));
          return { per_row, pixel, map_w: grid.width * pixel + gap, map_h: grid.height * pixel + gap, rows: Math.ceil(grid.maps / per_row) };
        };
        const shade = (kept, theme) => {
          if (kept === 0) return theme.dark ? 'rgb(58 66 61)' : 'rgb(205 209 203)';
          const share = 0.15 + 0.85 * (kept / highest), low = theme.dark ? [24, 29, 26] : [255, 255, 255], high = theme.dark ? [91, 155, 213] : [0, 103, 165];
          return `rgb(${low.map((v, k) => Math.round(v + share * (high[k] - v))).join(' ')})`;
        };
        espalier.picture(body, {
          title: `${layer.name}: weights left of each input`, name: `inputs_${layer.name}`, rows: layer.inputs.map((kept, j) => ({ ...name_of(grid, j), weights: most, kept })),
          guide: `Each cell is one of ${format.count(layer.inputs.length)} inputs${grid.known ? (grid.maps > 1 ? `, in the ${grid.maps} maps of ${grid.height}x${grid.width} they come from` : `, where it lies in the ${grid.height}x${grid.width} image`) : ', row by row'}. The stronger the blue, the more of its ${most} weights are left (at most ${highest}); grey: none, so the layer does not look there at all (${format.count(dead)} inputs).`,
          draw: (context, { width, theme }) => {
            at = layout(width);
            if (context)
              layer.inputs.forEach((kept, j) => {
                const area = grid.height * grid.width, map = Math.floor(j / area), k = j % area;
                context.fillStyle = shade(kept, theme);
                context.fillRect((map % at.per_row) * at.map_w + (k % grid.width) * at.pixel, Math.floor(map / at.per_row) * at.map_h + Math.floor(k / grid.width) * at.pixel, at.pixel, at.pixel);
              });
            return at.rows * at.map_h;
          },
          hint: (px, py) => {
            const map = Math.floor(py / at.map_h) * at.per_row + Math.floor(px / at.map_w), x = Math.floor((px % at.map_w) / at.pixel), y = Math.floor((py % at.map_h) / at.pixel);
            if (x >= grid.width || y >= grid.height || Math.floor(px / at.map_w) >= at.per_row) return null;
            const j = map * grid.height * grid.width + y * grid.width + x;
            return j < layer.inputs.length ? { ...name_of(grid, j), kept: `${layer.inputs[j]} of ${most}` } : null;
          },
        });
      };
      espalier.choice(bar, { label: 'Layer', value: layers[0].name, onChange: draw, options: layers.map((l) => l.name) });
      draw(layers[0].name);
    });
  },
});

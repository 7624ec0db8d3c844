// filters.js: the kernels of a convolution as tiles, before and after: one row of tiles per filter, one tile per input channel.
espalier.section({
  id: 'filters', part: 'happened', title: 'Filters', folded: true,
  needs: (data) => data.runs.some((run) => run.layers.some((layer) => layer.tiles)),
  draw(container, data) {
    const { element, runs, format } = espalier;
    const removed = -128, gap = 2;

    /** Blue above zero, orange below, as in the tour's matrices; paper at zero; removed weights are hatched out by the page's line colour. */
    const shade = (code, theme) => {
      if (code === removed) return theme.dark ? [58, 66, 61] : [205, 209, 203];
      const share = Math.min(1, Math.abs(code) / 127) ** 0.6, end = code < 0 ? (theme.dark ? [240, 123, 60] : [196, 78, 0]) : (theme.dark ? [91, 155, 213] : [0, 103, 165]);
      const middle = theme.dark ? [24, 29, 26] : [255, 255, 255];
      return middle.map((v, k) => Math.round(v + share * (end[k] - v)));
    };
    /** Filters side by side where there are few channels, else a grid filter x channel. */
    const layout = ([out, channels, h, w], width) => {
      const few = channels <= 4, columns = few ? Math.max(1, Math.min(out, Math.floor(width / (9 * w + gap)))) : channels, rows = few ? Math.ceil(out / columns) * channels : out;
      const pixel = Math.max(1, Math.min(few ? 9 : 4, Math.floor((width / columns - gap) / w)));
      return { few, columns, rows, pixel, tile_w: w * pixel + gap, tile_h: h * pixel + gap };
    };
    const place_of = (at, [, channels], o, i) => (at.few ? { column: o % at.columns, row: Math.floor(o / at.columns) * channels + i } : { column: i, row: o });

    const picture = (place, run, layer, which, codes) => {
      const { shape } = layer, [out, channels, h, w] = shape;
      const index = (o, i, y, x) => ((o * channels + i) * h + y) * w + x;
      const alive = codes.reduce((count, code) => count + (code !== removed), 0);
      const rows = () => {
        const list = [];
        for (let o = 0; o < out; ++o)
          for (let i = 0; i < channels; ++i) {
            let kept = 0;
            for (let k = 0; k < h * w; ++k) kept += codes[index(o, i, 0, 0) + k] !== removed;
            list.push({ filter: o, channel: i, weights: h * w, kept });
          }
        return list;
      };
      let at = null;
      espalier.picture(place, {
        title: `${layer.name}, ${which}`, name: `filters_${layer.name}_${which}`, rows: rows(),
        guide: `${layout(shape, 1000).few ? `${out} filters, ${channels === 1 ? 'one tile each' : `${channels} tiles below each other for the input channels`}` : `Each row is one of ${out} filters, each column one of ${channels} input channels`}; tiles are ${h}x${w} weights. Blue: positive, orange: negative, the ground: zero${
          alive < codes.length ? ', grey: removed' : ''}. ${format.count(alive)} of ${format.count(codes.length)} weights are left.`,
        draw: (context, { width, theme }) => {
          at = layout(shape, width);
          const height = at.rows * at.tile_h + gap;
          if (!context) return height;
          const image = new OffscreenCanvas(at.columns * (w * at.pixel + gap) + gap, height), c = image.getContext('2d');
          for (let o = 0; o < out; ++o)
            for (let i = 0; i < channels; ++i) {
              const { column, row } = place_of(at, shape, o, i);
              for (let y = 0; y < h; ++y)
                for (let x = 0; x < w; ++x) {
                  c.fillStyle = `rgb(${shade(codes[index(o, i, y, x)], theme).join(' ')})`;
                  c.fillRect(column * at.tile_w + gap + x * at.pixel, row * at.tile_h + gap + y * at.pixel, at.pixel, at.pixel);
                }
            }
          context.drawImage(image, 0, 0);
          return height;
        },
        hint: (px, py) => {
          const column = Math.floor((px - gap) / at.tile_w), row = Math.floor((py - gap) / at.tile_h);
          const o = at.few ? Math.floor(row / channels) * at.columns + column : row, i = at.few ? row % channels : column;
          const x = Math.floor((px - gap - column * at.tile_w) / at.pixel), y = Math.floor((py - gap - row * at.tile_h) / at.pixel);
          if (column < 0 || column >= at.columns || o < 0 || o >= out || i >= channels || x < 0 || x >= w || y < 0 || y >= h) return null;
          const code = codes[index(o, i, y, x)];
          return { weight: `${layer.name}[${o},${i},${y},${x}]`, value: code === removed ? 'removed' : `about ${format.number((code / 127) * layer.tiles.scale, 2)}` };
        },
      });
    };

    return runs.each(container, data.runs.filter((run) => run.layers.some((layer) => layer.tiles)), (place, run) => {
      const layers = run.layers.filter((layer) => layer.tiles);
      const bar = espalier.toolbar(place), body = element('div', { class: 'figures' });
      place.append(body);
      const draw = (name) => {
        body.replaceChildren();
        const layer = layers.find((l) => l.name === name);
        if (layer.tiles.before) picture(body, run, layer, 'before pruning', espalier.bytes(layer.tiles.before, true));
        picture(body, run, layer, layer.tiles.before ? 'at the end' : 'as trained', espalier.bytes(layer.tiles.after, true));
      };
      espalier.choice(bar, { label: 'Layer', value: layers[0].name, onChange: draw, options: layers.map((l) => l.name) });
      place.append(element('p', { class: 'muted small' }, 'Values in these pictures are rounded to 1/127 of the layer\'s largest weight; the checkpoint has them in full.'));
      draw(layers[0].name);
    });
  },
});

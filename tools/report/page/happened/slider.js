// slider.js: the run as a film: at each sparsity the first layer's weights, the accuracy, and which test images changed
// sides. All of it is what the run wrote as it went (moments.jsonl); nothing is interpolated.
espalier.section({
  id: 'slider', part: 'happened', title: 'The run, step by step',
  needs: (data) => data.runs.some((run) => espalier.sliderOf(run)),
  draw(container, data) {
    const { element, runs, format } = espalier;
    const removed = -128;
    const dark = () => espalier.theme().dark;
    const shade = (code) => {
      if (code === removed) return dark() ? [58, 66, 61] : [205, 209, 203];
      const share = Math.min(1, Math.abs(code) / 127) ** 0.6, end = code < 0 ? (dark() ? [240, 123, 60] : [196, 78, 0]) : (dark() ? [91, 155, 213] : [0, 103, 165]);
      const middle = dark() ? [24, 29, 26] : [255, 255, 255];
      return middle.map((v, k) => Math.round(v + share * (end[k] - v)));
    };
    /** {out, channels, h, w, at(o, c, y, x)} of the first layer; rows of a linear layer are pictures where they fit the images. */
    const tiles = (film) => {
      const { shape } = film, image = film.images[0];
      if (shape.length === 4) {
        const [out, h, w, channels] = shape;
        return { out, channels, h, w, at: (o, c, y, x) => ((o * h + y) * w + x) * channels + c };
      }
      const [out, inputs] = shape;
      if (!image || inputs !== image.height * image.width * image.channels) return null;
      const { height: h, width: w, channels } = image;
      return { out, channels, h, w, at: (o, c, y, x) => o * inputs + (y * w + x) * channels + c };
    };
    const draw_filters = (canvas, film, moment) => {
      const t = tiles(film), context = canvas.getContext('2d');
      const width = Math.max(200, canvas.parentElement.clientWidth), gap = 3;
      const count = t.out * t.channels, pixel = Math.max(1, Math.min(8, Math.floor((width / Math.min(count, Math.ceil(Math.sqrt(2 * count))) - gap) / t.w)));
      const columns = Math.max(1, Math.floor(width / (t.w * pixel + gap))), rows = Math.ceil(count / columns);
      canvas.width = columns * (t.w * pixel + gap);
      canvas.height = rows * (t.h * pixel + gap);
      for (let n = 0; n < count; ++n)
        for (let y = 0; y < t.h; ++y)
          for (let x = 0; x < t.w; ++x) {
            context.fillStyle = `rgb(${shade(moment.weights[t.at(Math.floor(n / t.channels), n % t.channels, y, x)]).join(' ')})`;
            context.fillRect((n % columns) * (t.w * pixel + gap) + x * pixel, Math.floor(n / columns) * (t.h * pixel + gap) + y * pixel, pixel, pixel);
          }
    };
    const picture = ({ height, width, channels, pixels }) => {
      const canvas = element('canvas', { width, height, 'aria-hidden': 'true' }), context = canvas.getContext('2d');
      const bytes = espalier.bytes(pixels), image = context.createImageData(width, height);
      for (let i = 0; i < height * width; ++i) {
        const of = (c) => bytes[i * channels + Math.min(c, channels - 1)];
        image.data.set([of(0), of(1), of(2), 255], 4 * i);
      }
      context.putImageData(image, 0, 0);
      return canvas;
    };

    return runs.each(container, data.runs.filter((run) => espalier.sliderOf(run)), (place, run) => {
      const film = espalier.sliderOf(run), { moments, images } = film;
      const name = (k) => film.class_names[k] ?? String(k);
      const words = element('p', { class: 'slider-words', role: 'status' });
      const what = { dense: 'before the first step', pruned: 'just after a step', end: 'at the end' };
      const filters = element('canvas', { role: 'img' }), some = moments[0].weights.length > 0 && tiles(film);
      const cards = images.map((image) => {
        const says = element('span', {});
        return { image, says, card: element('div', { class: 'flip' }, picture(image), element('small', {}, name(image.label)), says) };
      });
      const show = (at) => {
        const moment = moments[at];
        words.replaceChildren(element('b', {}, format.percent(moment.sparsity)), ' of the weights removed, ', element('b', {}, format.percent(moment.test_accuracy)), ` of the test images right (${what[moment.what] ?? moment.what}, ${moment.epoch} epochs). Of the first ${
          format.count(film.images_looked_at)}, ${moment.lost} that were right before pruning are wrong, ${moment.won} that were wrong are right.`);
        if (some) {
          draw_filters(filters, film, moment);
          filters.setAttribute('aria-label', `weights of ${film.layer} at ${format.percent(moment.sparsity)} sparsity`);
        }
        for (const { image, says, card } of cards) {
          const now = image.classes[at], right = now === image.label, before = image.classes[0] === image.label;
          card.classList.toggle('wrong', !right);
          says.textContent = right ? (before ? 'right' : 'now right') : `taken for ${name(now)}`;
        }
      };
      const card = element('div', { class: 'card' }, element('p', { class: 'guide' }, 'Move the slider, or use the arrow keys: from the dense network through every pruning step to the end. What is trained between two steps shows, too.'));
      place.append(card);
      let now = 0;
      const { input } = espalier.slider(espalier.toolbar(card), { label: 'Moment', min: 0, max: moments.length - 1, step: 1, value: 0,
        format: (v) => format.percent(moments[v].sparsity), onInput: (v) => { now = v; show(v); } });
      input.classList.add('wide-slider');
      card.append(words);
      if (some) card.append(element('h3', {}, `Weights of ${film.layer}`), element('p', { class: 'guide' }, 'Blue: positive, orange: negative, grey: removed.'), element('div', { class: 'slider-filters' }, filters));
      if (cards.length > 0)
        card.append(element('h3', {}, 'Test images that change sides'), element('p', { class: 'guide' }, `The first ${cards.length} whose answer changes from right to wrong or back on the way; below each its class and what the network says.`),
          element('div', { class: 'flips' }, cards.map((one) => one.card)));
      show(0);
      espalier.onTheme(() => { if (card.isConnected) show(now); });
    });
  },
});

/** What a run's slider shows, if its file is what it should be; else null. */
espalier.sliderOf = (run) => {
  const film = run.tour?.slider, list = Array.isArray, number = espalier.known;
  const weights = list(film?.shape) ? film.shape.reduce((product, n) => product * n, 1) : 0;
  const fine = film && list(film.moments) && film.moments.length > 1 && list(film.images) && list(film.class_names) && [2, 4].includes(film.shape?.length) &&
    film.moments.every((m) => number(m.sparsity) && number(m.test_accuracy) && list(m.weights) && [0, weights].includes(m.weights.length)) &&
    film.images.every((i) => list(i.classes) && i.classes.length === film.moments.length && typeof i.pixels === 'string' && i.height * i.width * i.channels <= 200000
      && Math.ceil((i.height * i.width * i.channels) / 3) * 4 === i.pixels.length && /^[A-Za-z0-9+/]*=*$/.test(i.pixels));
  return fine ? film : null;
};

// woodbury.js: the inverse of F = lambda I + (1/N) sum_n g_n g_n', one example at a time (Sherman-Morrison) and all at
// once (Woodbury). No DOM; checked against a direct inverse and `espalier explain` in tests/report/formulas_test.mjs.
espalier.woodbury = (() => {
  const { identity, dot, times, damped, inverse } = espalier.matrix;

  /**
   * One step F_n^-1 = F_{n-1}^-1 - x x' / (N + g'x), x = F_{n-1}^-1 g.
   * Returns {inverse, x, gx: g'x, denominator: N + g'x, correction: x x' / denominator}.
   */
  function step(before, g, N) {
    const x = times(before, g),
      gx = dot(g, x),
      denominator = N + gx;
    const correction = x.map((a) => x.map((b) => (a * b) / denominator));
    return { inverse: before.map((row, i) => row.map((v, j) => v - correction[i][j])), x, gx, denominator, correction };
  }

  /** The whole recursion: steps[0] is F_0^-1 = I / lambda, steps[n] the step of example n. */
  function recursion(rows, lambda, d = rows[0].length) {
    const steps = [{ inverse: identity(d, 1 / lambda) }];
    for (const g of rows) steps.push(step(steps[steps.length - 1].inverse, g, rows.length));
    return steps;
  }

  /** F after the first n of N rows: lambda I + (1/N) sum of their outer products; its inverse is steps[n].inverse. */
  function partialFisher(rows, lambda, n) {
    const d = rows[0].length;
    const F = identity(d, lambda);
    for (const g of rows.slice(0, n)) for (let i = 0; i < d; ++i) for (let j = 0; j < d; ++j) F[i][j] += (g[i] * g[j]) / rows.length;
    return F;
  }

  /** lambda^-1 (I - G'(lambda N I + G G')^-1 G): an N x N system. */
  function closedForm(rows, lambda) {
    const N = rows.length,
      d = rows[0].length;
    const K = damped(
        rows.map((a) => rows.map((b) => dot(a, b))),
        lambda * N,
      ),
      Kinv = inverse(K);
    const KG = Kinv.map((row) => Array.from({ length: d }, (_, q) => row.reduce((sum, k, n) => sum + k * rows[n][q], 0)));
    return Array.from({ length: d }, (_, i) =>
      Array.from({ length: d }, (__, j) => ((i === j ? 1 : 0) - rows.reduce((sum, g, n) => sum + g[i] * KG[n][j], 0)) / lambda),
    );
  }

  /** Largest |a - b| as a share of the largest |b|. */
  function difference(a, b) {
    let apart = 0,
      largest = Number.MIN_VALUE;
    a.forEach((row, i) =>
      row.forEach((v, j) => {
        apart = Math.max(apart, Math.abs(v - b[i][j]));
        largest = Math.max(largest, Math.abs(b[i][j]));
      }),
    );
    return apart / largest;
  }

  return { step, recursion, partialFisher, closedForm, difference };
})();

// quadratic.js: the quadratic model of the loss and the removal of one, two, k weights from it, in the notation of
// pruning/README.md: H is the undamped curvature, F = H + lambda I, g the gradient (zero where a method takes it so).
// No DOM. tests/report/formulas_test.mjs compares every number with `espalier explain PROBLEM.json --json`.
espalier.quadratic = (() => {
  const { dot, times, scaled, add, damped, part, inverse, solve, zeros } = espalier.matrix;

  /** L(w + delta) - L(w) = g'delta + 1/2 delta' F delta. */
  const lossChange = (F, g, delta) => dot(g, delta) + dot(delta, times(F, delta)) / 2;

  /** All that the removals below need: {w, g, H, lambda, F, inverse, h = F^-1 g, constant = -1/2 g'F^-1 g}. */
  function model({ w, g = w.map(() => 0), H, lambda }) {
    const F = damped(H, lambda),
      inv = inverse(F),
      h = times(inv, g);
    return { w, g, H, lambda, F, inverse: inv, h, constant: -dot(g, h) / 2 };
  }

  /** rho_q of every weight, by method. Smallest goes first. */
  const saliency = {
    magnitude: (m) => m.w.map(Math.abs),
    /** Optimal Brain Damage: the diagonal of the curvature alone, undamped as `diagonal_fisher` takes it. */
    diagonal_fisher: (m) => m.w.map((w, q) => (m.H[q][q] * w * w) / 2),
    /** The same with lambda on the diagonal. */
    obd_damped: (m) => m.w.map((w, q) => (m.F[q][q] * w * w) / 2),
    /** Optimal Brain Surgeon: w^2 / (2 [F^-1]_qq). */
    woodfisher: (m) => m.w.map((w, q) => (w * w) / (2 * m.inverse[q][q])),
    /** Away from an optimum: (w - h)^2 / (2 [F^-1]_qq). */
    woodtaylor: (m) => m.w.map((w, q) => (w - m.h[q]) ** 2 / (2 * m.inverse[q][q])),
  };

  const lowest = (scores) => scores.reduce((best, v, q) => (v < scores[best] ? q : best), 0);
  /** Weights in the order in which they go; ties by index. */
  const ranking = (scores) => scores.map((_, q) => q).sort((a, b) => scores[a] - scores[b] || a - b);

  /** Only the removed weights move: to zero. */
  const zeroed = (m, set) => m.w.map((w, q) => (set.includes(q) ? -w : 0));

  /**
   * Joint removal of a set Q, exact under the model: -F^-1 E_Q ([F^-1]_QQ)^-1 r_Q - h, r = w - h; `taylor` says
   * whether the gradient counts (else h = 0). Of one weight this is the OBS, or WoodTaylor, update.
   */
  function joint(m, set, taylor = false) {
    const r = set.map((q) => m.w[q] - (taylor ? m.h[q] : 0));
    const mu = solve(part(m.inverse, set), r);
    return m.w.map((w, x) => {
      if (set.includes(x)) return -w;
      return set.reduce((sum, q, k) => sum - m.inverse[x][q] * mu[k], taylor ? -m.h[x] : 0);
    });
  }

  /** The paper's: the sum of the single updates of all removed weights. */
  function simultaneous(m, set, taylor = false) {
    return m.w.map((_, x) =>
      set.reduce((sum, q) => sum - (m.inverse[x][q] * (m.w[q] - (taylor ? m.h[q] : 0))) / m.inverse[q][q], taylor ? -m.h[x] : 0),
    );
  }
  /** ... after which the removed weights are set to exactly zero. */
  const simultaneousZeroed = (m, set, taylor = false) => simultaneous(m, set, taylor).map((v, q) => (set.includes(q) ? -m.w[q] : v));

  /** Loss change of a move as the methods count it: without the gradient's term unless `taylor`. */
  const cost = (m, delta, taylor = false) => lossChange(m.F, taylor ? m.g : m.g.map(() => 0), delta);

  /** 1/2 r_Q' ([F^-1]_QQ)^-1 r_Q, what the joint removal costs (and -1/2 g'h more if `taylor`). */
  function setSaliency(m, set, taylor = false) {
    const r = set.map((q) => m.w[q] - (taylor ? m.h[q] : 0));
    return dot(r, solve(part(m.inverse, set), r)) / 2;
  }

  /** All sets of k of d weights; for small d. */
  function subsets(d, k) {
    if (k === 0) return [[]];
    const result = [];
    for (let last = k - 1; last < d; ++last) for (const rest of subsets(last, k - 1)) result.push([...rest, last]);
    return result;
  }

  /** The 2 x 2 curvature with diagonal a, b and correlation c / sqrt(ab). */
  const curvature2 = (a, b, correlation) => {
    const c = correlation * Math.sqrt(a * b);
    return [
      [a, c],
      [c, b],
    ];
  };
  /** (1/N) G'G of gradient rows. */
  function fisher(rows) {
    const d = rows[0].length,
      F = zeros(d);
    for (const g of rows) for (let i = 0; i < d; ++i) for (let j = 0; j < d; ++j) F[i][j] += (g[i] * g[j]) / rows.length;
    return F;
  }
  /** Rows G with G'G / N = H, N = d: the problem in the form that `espalier explain` reads. */
  function rowsOf(H) {
    const l = espalier.matrix.cholesky(H),
      n = H.length;
    return l && H.map((_, r) => H.map((__, q) => Math.sqrt(n) * l[q][r]));
  }

  return {
    model,
    lossChange,
    saliency,
    lowest,
    ranking,
    zeroed,
    joint,
    simultaneous,
    simultaneousZeroed,
    cost,
    setSaliency,
    subsets,
    curvature2,
    fisher,
    rowsOf,
    scaled,
    add,
  };
})();

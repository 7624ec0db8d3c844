// lesson.js: the visual tour as five short chapters in order, figures between the paragraphs. Notation:
// pruning/README.md. In texts $...$ is a formula (formula.js) and `...` code.

/** A chapter: `parts` are texts, {formula}, or functions (container, data) that draw a figure; `sources` are files of this
 *  repository and a name in each that implements the chapter (tests/report checks that they are there). */
espalier.chapter = ({ id, title, parts, sources }) =>
  espalier.section({
    id,
    part: 'why',
    title,
    needs: (data) => data.runs.some((run) => run.tour),
    folded: id !== 'quadratic-model',
    draw: async (container, data) => {
      for (const part of parts) {
        if (typeof part === 'function') await part(container, data);
        else if (typeof part === 'string') espalier.prose(container, part);
        else container.append(espalier.formula(part.formula, { block: true }));
      }
      const { element } = espalier;
      container.append(
        element(
          'div',
          { class: 'sources' },
          element('p', {}, 'Where this is in the source:'),
          element(
            'ul',
            {},
            sources.map(([file, name, what]) => espalier.prose(element('ul', {}), `\`${file}\`, \`${name}\`: ${what}`, 'li')),
          ),
        ),
      );
    },
  });

espalier.chapter({
  id: 'quadratic-model',
  title: '1. The quadratic model',
  parts: [
    'To prune is to move: some weights go to zero, others may move to make up for it. Write all weights as one vector $w$ and the move as $δ$. What does it cost? Near $w$ the loss is, to second order,',
    { formula: 'L(w + δ) ≈ L(w) + g^⊤ δ + \\frac{1}{2} δ^⊤ H δ , \\text{   } g = ∇L(w) , \\text{   } H = ∇^2 L(w) .' },
    'The gradient $g$ is the slope at $w$. The Hessian $H$ is the bend: $H_{qq}$ says how sharply the loss curves when weight $q$ moves alone, and $H_{pq}$ how the slope along $p$ changes when $q$ moves. At the end of training $g ≈ 0$, and only the quadratic term is left.',
    'All that follows asks two questions of this one line. Which weight should go? The one for which the right side rises least. How should the others move? So that the right side becomes as small as it can while the removed weight is held at zero.',
    espalier.lossLineFigure,
    'The model holds nearby. How far, depends on the network: so Espalier writes the predicted change beside the measured one for every pruning step, and can split a step in which the two part.',
  ],
  sources: [
    ['pruning/update/update.cpp', 'predict', 'the change that the model predicts for a move'],
    ['pruning/step/trial.cpp', 'Trial::loss', 'the change that is measured, and undone'],
    ['pruning/step/pruner.cpp', 'Pruner::trusted', 'whether they agree'],
  ],
});

espalier.chapter({
  id: 'fisher-is-hessian',
  title: '2. The Fisher is the Hessian',
  parts: [
    'A network of $d$ weights has $d^2$ second derivatives. For a loss that is a negative log-probability, $l_n = -log p_w(y_n | x_n)$, first derivatives are enough. Differentiate twice:',
    { formula: '-∇^2 log p = ∇log p ∇log p^⊤ - \\frac{1}{p} ∇^2 p .' },
    "Average over labels $y$ drawn from the model's own probabilities. The last term becomes $Σ_y ∇^2 p_w(y | x) = ∇^2 1 = 0$, for probabilities sum to one. What is left is the Fisher matrix:",
    { formula: 'F = E_x E_{y ∼ p_w} \\big[ ∇log p ∇log p^⊤ \\big] = - E_x E_{y ∼ p_w} \\big[ ∇^2 log p \\big] .' },
    "Where the model's probabilities are those of the data, the right side is the Hessian of the loss. Three matrices are to be kept apart. The **true Fisher** takes labels from the model, exactly over all classes or drawn at random. The **empirical Fisher** $\\hat{F} = \\frac{1}{N} Σ_n g_n g_n^⊤$ takes the labels of the data: it costs one gradient an example, and it is the one that pruning uses. The **Hessian** $H$ is what both stand for.",
    'For softmax cross-entropy the true Fisher is the generalised Gauss-Newton matrix, with $p_n$ the probabilities and $J_n$ the derivatives of the logits:',
    { formula: 'F = \\frac{1}{N} Σ_n J_n^⊤ ( diag(p_n) - p_n p_n^⊤ ) J_n .' },
    "One identity makes the pictures below exact. With ReLU, pooling and affine layers the logits are piecewise linear in the weights of any **one** layer. So within a layer the term that Gauss-Newton leaves out is zero, and the layer's block of the Hessian **equals** that of the true Fisher; the figure repeats the check by a Hessian-vector product. Between two layers it does not hold.",
    espalier.matricesFigure,
    espalier.likenessFigure,
    'Even so a whole matrix is too large: $10^5$ weights have $10^{10}$ entries. The usual way out keeps blocks of consecutive weights along the diagonal and takes the rest for zero. What is lost depends on the block size, and on what weights within a block have to do with each other.',
    espalier.blocksFigure,
  ],
  sources: [
    ['pruning/rows/curvature_rows.cpp', 'softmax_root', 'rows whose products are the true Fisher'],
    ['pruning/curvature/products.cpp', 'curvature_product', 'Hessian and Fishers times a vector'],
    ['pruning/curvature/compare.cpp', 'mass_in_blocks', 'cosine, rank correlation, mass'],
    ['tests/lessons/03_fisher_is_gauss_newton_test.cpp', 'TEST', 'the same as a test'],
  ],
});

espalier.chapter({
  id: 'woodbury',
  title: '3. Woodbury: the inverse without the matrix',
  parts: [
    'The next chapter needs $F^{-1}$. With fewer examples than weights the sum of the $g_n g_n^⊤$ has no inverse, so a dampening $λ > 0$ is added, the belief that every weight costs at least a little:',
    { formula: 'F = λ I + \\frac{1}{N} Σ_{n=1}^{N} g_n g_n^⊤ .' },
    'Each example adds a matrix of rank one, and adding a matrix of rank one changes an inverse by a matrix of rank one (Sherman and Morrison). So start from $F_0^{-1} = λ^{-1} I$ and take the examples in turn:',
    espalier.recursionFigure,
    'Taken one at a time, each example reads and writes the whole inverse. Taken all at once the same matrix has a closed form (Woodbury), in which the gradients are the rows of $G$:',
    { formula: 'F^{-1} = λ^{-1} \\big( I - G^⊤ K^{-1} G \\big) , \\text{   } K = λ N I + G G^⊤ .' },
    'Only $K$ has to be factored, and it is $N × N$. With $K = C C^⊤$ and $V = C^{-1} G$ the diagonal, which is all that a ranking needs, is $[F^{-1}]_{qq} = λ^{-1} (1 - ‖V_q‖^2)$, and a product $F^{-1} x = λ^{-1} (x - V^⊤ (V x))$ never forms a matrix of $d × d$. Blocks are then a choice of model, not forced by cost.',
  ],
  sources: [
    ['pruning/inverse/dense.cpp', 'DenseInverse', 'the recursion of the figure'],
    ['pruning/inverse/gram_form.cpp', 'GramForm', 'the closed form that pruning uses'],
    ['tests/lessons/04_woodbury_two_ways_test.cpp', 'TEST', 'that both are the same'],
  ],
});

espalier.chapter({
  id: 'removing-weights',
  title: '4. Removing one, two, k weights',
  parts: [
    'At an optimum, $g = 0$. Remove weight $q$ and let all others move to make the loss rise least:',
    { formula: 'min_δ \\frac{1}{2} δ^⊤ F δ \\text{   such that   } e_q^⊤ δ + w_q = 0 .' },
    'The Lagrangian is $\\frac{1}{2} δ^⊤ F δ + μ (e_q^⊤ δ + w_q)$. Its derivative in $δ$ is zero at $δ = -μ F^{-1} e_q$; the constraint then gives $μ = w_q / [F^{-1}]_{qq}$. So the best move, and what it costs, are (Optimal Brain Surgeon):',
    { formula: 'δ = - \\frac{w_q}{[F^{-1}]_{qq}} F^{-1} e_q , \\text{      } ρ_q = \\frac{w_q^2}{2 [F^{-1}]_{qq}} .' },
    'The older criteria are the same with less of $F$. With $F$ diagonal, $ρ_q = \\frac{1}{2} F_{qq} w_q^2$ and nothing else moves: Optimal Brain Damage. With $F = I$ the ranking is by $w_q^2$: magnitude. Try where they part:',
    (container, data) =>
      espalier.twoWeights.figure(container, data, {
        name: 'two-weights',
        title: 'Two weights',
        preset: 'magnitude',
        optimum: true,
        presetsShown: ['agree', 'magnitude', 'twins', 'damped'],
        guide:
          'The rings are lines of equal loss, the dot is $w$; a weight is removed when an arrow ends on the axis on which it is zero. Magnitude and OBD move only the weight they remove, OBS slides along the axis to its lowest point. Methods use $F = H + λI$; the rings, and the last column of the table, are the surface itself ($λ = 0$).',
      }),
    'With two weights and little dampening OBD and OBS always name the same weight: correlation $c$ makes both saliencies smaller by the same factor $1 - c^2$. They differ in what they say it costs and in where the other weight goes. A heavy $λ$ makes $F$ almost a multiple of the identity, and OBS chooses as magnitude does. From three weights on correlation changes the choice itself.',
    espalier.oneWeightFigure,
    'Two at once, $Q = \\{p, q\\}$: the same derivation with two constraints ends in a $2 × 2$ system. Written out, with $A = [F^{-1}]_{pp}$, $B = [F^{-1}]_{qq}$, $C = [F^{-1}]_{pq}$,'.replace(
      '\\{p, q\\}',
      '(p, q)',
    ),
    { formula: 'ρ_{pq} = \\frac{B w_p^2 - 2 C w_p w_q + A w_q^2}{2 (A B - C^2)} ,' },
    'which is not $ρ_p + ρ_q$ unless $C = 0$. In the preset "twins" of the figure each weight can do the other\'s work, so each is nearly free; both are not. For any set $Q$ of $k$ weights,',
    {
      formula: 'δ = - F^{-1} E_Q ([F^{-1}]_{QQ})^{-1} w_Q , \\text{      } ρ_Q = \\frac{1}{2} w_Q^⊤ ([F^{-1}]_{QQ})^{-1} w_Q .',
    },
    'The paper adds up the single updates of all removed weights and then sets those to exactly zero; the exact joint update costs one more factorisation (`prune.update`: `simultaneous` or `joint`). Which set is best is another question: the k lowest $ρ_q$ do not know of each other.',
    espalier.kWeightsFigure,
  ],
  sources: [
    ['pruning/criterion/criteria.cpp', 'WoodFisher', 'the saliencies'],
    ['pruning/update/update.cpp', 'joint_update', 'the updates, simultaneous and joint'],
    ['pruning/criterion/greedy.cpp', 'eliminate', 'one weight after the other'],
    ['pruning/explain/one_weight.cpp', 'WeightStudy', 'the figure of one weight, and `espalier explain`'],
    ['tests/lessons/06_compensation_beats_zeroing_test.cpp', 'TEST', 'the same as a test'],
  ],
});

espalier.chapter({
  id: 'away-from-optimum',
  title: '5. Away from the optimum',
  parts: [
    'While a network still trains, $g$ is not zero. Keep it in the model (WoodTaylor):',
    { formula: 'min_δ g^⊤ δ + \\frac{1}{2} δ^⊤ F δ \\text{   such that   } e_q^⊤ δ + w_q = 0 .' },
    'Without the constraint the minimum is at $δ = -h$ with $h = F^{-1} g$, the Newton step. With it,',
    {
      formula: 'δ = - h - \\frac{w_q - h_q}{[F^{-1}]_{qq}} F^{-1} e_q , \\text{      } ρ_q = \\frac{(w_q - h_q)^2}{2 [F^{-1}]_{qq}} ,',
    },
    'and the loss changes by $ρ_q - \\frac{1}{2} g^⊤ h$, of which the second part is the same for all $q$. In words: take the Newton step in thought, then do the last chapter from there. What counts is not how large a weight is but how large it would be after the step; a large weight that is on its way to zero is cheap. At $g = 0$ all is as before. So weights can be removed during training, and not only after it.',
    (container, data) =>
      espalier.twoWeights.figure(container, data, {
        name: 'two-weights-gradient',
        title: 'Two weights, with a gradient',
        preset: 'gradient',
        presetsShown: ['gradient', 'agree', 'twins'],
        guide:
          'Now the point is not in the middle of the rings. WoodTaylor ends at the lowest point of one of the axes; WoodFisher moves as if $w$ were the minimum. Turn the gradient and watch which axis WoodTaylor goes to.',
      }),
    'Two cautions. The step is as long as $λ$ is small, and it goes wrong where $F$ is poor: it has a dampening of its own (`prune.step_damp`) and is shortened to the best length under the model. And the model is local: to prune much, take several steps with fresh gradients (`prune.num_recomputations`), or prune a little every epoch and train between.',
  ],
  sources: [
    ['pruning/criterion/criteria.cpp', 'WoodTaylor', 'the saliency'],
    ['pruning/update/update.cpp', 'gradient_step', 'the step and its length'],
    ['pruning/step/pruner.cpp', 'prune_towards', 'steps with fresh gradients'],
    ['tests/lessons/05_woodtaylor_is_a_constrained_minimum_test.cpp', 'TEST', 'the same as a test'],
  ],
});

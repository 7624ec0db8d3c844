// Builds LeNet through the installed library and prints the number of logits of one image.
#include <cstdio>

#include "framework/nn/model.h"

int main() {
  espalier::Variant<espalier::ModelSettings> choice;
  choice.choose("lenet");
  const auto model = choice->build({28, 28, 1}, 10, 1);
  espalier::Pass pass;
  const espalier::Var logits = model->forward(espalier::Tensor::zeros({1, 28, 28, 1}), pass);
  std::printf("logits %lld\n", static_cast<long long>(logits.value().size()));
}

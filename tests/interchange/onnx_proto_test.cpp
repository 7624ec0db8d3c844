// ONNX files as messages: what the onnx package wrote (files/tensors.onnx, by make_files.py) is read as it
// says, and no damaged file gets through or brings the program down.
#include <gtest/gtest.h>

#include <cstring>

#include "framework/interchange/onnx/proto.h"
#include "framework/interchange/protobuf.h"
#include "framework/io/atomic_file.h"
#include "paths.h"
#include "tests/support/damage.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_folder.h"

namespace espalier::onnx {
namespace {

using espalier::testing::expect_error;
namespace fs = std::filesystem;

const fs::path file = fs::path(ESPALIER_SOURCE_DIR) / "tests/interchange/files/tensors.onnx";

const TensorProto& tensor(const ModelProto& m, const std::string& name) {
  for (const TensorProto& t : m.graph.initializer)
    if (t.name == name) return t;
  throw std::runtime_error("no tensor " + name);
}

TEST(OnnxProto, TheGraphIsReadAsItWasWritten) {
  const ModelProto m = read_model(file);
  EXPECT_EQ(m.producer_name, "make_files");
  EXPECT_EQ(m.opset_import.at(""), 13);
  EXPECT_EQ(m.metadata_props.at("note"), "by hand");
  ASSERT_EQ(m.graph.node.size(), 1U);
  const NodeProto& n = m.graph.node[0];
  EXPECT_EQ(n.op_type, "Conv");
  EXPECT_EQ(n.name, "first");
  EXPECT_EQ(n.input, (std::vector<std::string>{"x", "w"}));
  EXPECT_EQ(n.output, std::vector<std::string>{"y"});
  EXPECT_EQ(n.find("kernel_shape")->ints, (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(n.find("alpha")->f, 0.5F);
  EXPECT_EQ(n.find("mode")->s, "same");
  EXPECT_EQ(n.find("group"), nullptr);
  ASSERT_EQ(m.graph.input.size(), 1U);
  EXPECT_EQ(m.graph.input[0].elem_type, FLOAT);
  ASSERT_EQ(m.graph.input[0].shape.size(), 4U);
  EXPECT_EQ(m.graph.input[0].shape[0].parameter, "batch");
  EXPECT_EQ(m.graph.input[0].shape[0].value, -1);
  EXPECT_EQ(m.graph.input[0].shape[1].value, 3);
}

TEST(OnnxProto, TensorsOfEveryTypeAreDecodedFromRawBytesAndFromLists) {
  const ModelProto m = read_model(file);
  int checked = 0;
  for (const TensorProto& t : m.graph.initializer) {
    if (t.name == "outside") continue;
    const StoredTensor decoded = decode(t, m.path);
    const bool boolean = t.name.ends_with("bool");
    EXPECT_EQ(to_doubles(decoded), (std::vector<double>{1, 0, boolean ? 1.0 : 3.0})) << t.name;
    EXPECT_EQ(decoded.shape, (std::vector<std::int64_t>{1, 3})) << t.name;
    ++checked;
  }
  EXPECT_EQ(checked, 25);
}

TEST(OnnxProto, SparseTensorsBecomeDense) {
  const ModelProto m = read_model(file);
  ASSERT_EQ(m.graph.sparse_initializer.size(), 1U);
  const StoredTensor dense = decode(m.graph.sparse_initializer[0], m.path, 1000);
  EXPECT_EQ(to_doubles(dense), (std::vector<double>{0, 5, 0, 0, 0, 6}));
  EXPECT_EQ(dense.name, "sparse");
  SparseTensorProto by_axis = m.graph.sparse_initializer[0];
  by_axis.indices.raw_data = {};
  by_axis.indices.has_raw_data = false;
  by_axis.indices.dims = {2, 2};
  by_axis.indices.int64_data = {0, 1, 1, 2};
  EXPECT_EQ(to_doubles(decode(by_axis, m.path, 1000)), to_doubles(dense));
  by_axis.indices.int64_data = {0, 1, 1, 3};
  expect_error(ExitCode::checkpoint, {"'sparse'", "index 3 on axis 1"},
               [&] { decode(by_axis, m.path, 1000); });
  by_axis.dims = {1 << 20, 1 << 20};
  expect_error(ExitCode::checkpoint, {"'sparse'", "may ask for"}, [&] { decode(by_axis, m.path, 1000); });
}

TEST(OnnxProto, ExternalDataAreReadBesideTheModelAndNowhereElse) {
  const ModelProto m = read_model(file);
  TensorProto t = tensor(m, "outside");
  EXPECT_EQ(to_doubles(decode(t, m.path)), (std::vector<double>{7, 8}));
  for (const char* elsewhere : {"../files/tensors.data", "/etc/hostname", "", "a/../../tensors.data"}) {
    t.external_data["location"] = elsewhere;
    expect_error(ExitCode::checkpoint, {"tensors.onnx", "'outside'", "folder of the model"},
                 [&] { decode(t, m.path); });
  }
  t.external_data["location"] = "missing.data";
  expect_error(ExitCode::checkpoint, {"missing.data"}, [&] { decode(t, m.path); });
  t.external_data = {{"location", "tensors.data"}, {"offset", "12"}};
  expect_error(ExitCode::checkpoint, {"8 bytes from 12", "of 16 bytes"}, [&] { decode(t, m.path); });
  t.external_data["offset"] = "1e3";
  expect_error(ExitCode::checkpoint, {"offset '1e3'"}, [&] { decode(t, m.path); });
  const testing::TempFolder folder;
  fs::create_symlink("/etc/hostname", folder / "tensors.data");
  t.external_data = {{"location", "tensors.data"}};
  expect_error(ExitCode::checkpoint, {"symbolic link"}, [&] { decode(t, folder / "a.onnx"); });
}

TEST(OnnxProto, TensorsThatDoNotFitTheirShapeAreNamed) {
  TensorProto t;
  t.name = "w";
  t.dims = {2};
  t.data_type = FLOAT;
  t.float_data = {1, 2, 3};
  expect_error(ExitCode::checkpoint, {"a.onnx", "'w'", "3 values for the shape {2}"},
               [&] { decode(t, "a.onnx"); });
  t.dims = {-1};
  expect_error(ExitCode::checkpoint, {"'w'", "{-1} is negative"}, [&] { decode(t, "a.onnx"); });
  t.dims = {1 << 30, 1 << 30, 1 << 30};
  expect_error(ExitCode::checkpoint, {"'w'", "too large"}, [&] { decode(t, "a.onnx"); });
  t.data_type = STRING;
  expect_error(ExitCode::checkpoint, {"'w'", "strings"}, [&] { decode(t, "a.onnx"); });
}

TEST(OnnxProto, WhatIsWrittenIsReadBack) {
  ProtoWriter inner;
  inner.integer(1, -5);
  inner.integers(2, {0, 127, 128, -1, std::int64_t{1} << 62});
  inner.reals(3, {1.5F, -2});
  ProtoWriter outer;
  outer.message(7, inner);
  outer.bytes(200, "text");
  outer.real(9, 0.25F);
  ProtoReader in(outer.contents(), "a", "Outer");
  ASSERT_TRUE(in.next());
  EXPECT_EQ(in.field(), 7);
  ProtoReader in7 = in.message("Inner");
  ASSERT_TRUE(in7.next());
  EXPECT_EQ(in7.integer(), -5);
  std::vector<std::int64_t> integers;
  ASSERT_TRUE(in7.next());
  in7.append(integers);
  EXPECT_EQ(integers, (std::vector<std::int64_t>{0, 127, 128, -1, std::int64_t{1} << 62}));
  std::vector<float> reals;
  ASSERT_TRUE(in7.next());
  in7.append(reals);
  EXPECT_EQ(reals, (std::vector<float>{1.5F, -2}));
  EXPECT_FALSE(in7.next());
  ASSERT_TRUE(in.next());
  EXPECT_EQ(in.field(), 200);
  EXPECT_EQ(in.text(), "text");
  ASSERT_TRUE(in.next());
  EXPECT_EQ(in.real(), 0.25F);
  EXPECT_FALSE(in.next());
}

TEST(OnnxProto, DamageIsNamedWithFileByteAndMessage) {
  const std::string whole = read_whole_file(file);
  expect_error(ExitCode::checkpoint,
               {"a.onnx", "byte 17, in ModelProto", "field 7 of 939 bytes", "truncated"},
               [&] { parse_model(whole.substr(0, whole.size() / 2), "a.onnx"); });
  expect_error(ExitCode::checkpoint, {"a.onnx", "an HTML page", "an ONNX model"},
               [&] { parse_model("<html><body>", "a.onnx"); });
  expect_error(ExitCode::checkpoint, {"a.onnx", "has no graph"}, [&] { parse_model({8, 7}, "a.onnx"); });
}

TEST(OnnxProto, NoDamageBringsItDown) {
  testing::expect_no_damage_brings_it_down(
      read_whole_file(file), ExitCode::checkpoint,
      [](const std::string& contents) {
        const ModelProto m = parse_model(contents, file);
        for (const TensorProto& t : m.graph.initializer) decode(t, m.path);
        for (const SparseTensorProto& t : m.graph.sparse_initializer) decode(t, m.path, 1 << 20);
      },
      5000);
}

TEST(OnnxProto, RandomBytesAreRefusedOrRead) {
  for (int seed = 0; seed < 20'000; ++seed) {
    Random draw(3, Random::Use::test, {static_cast<std::uint64_t>(seed)});
    std::string contents(draw.below(200), '\0');
    for (char& c : contents) c = static_cast<char>(draw.below(draw.below(2) ? 32 : 256));
    testing::taken(contents, ExitCode::checkpoint, [](const std::string& c) { parse_model(c, "a.onnx"); });
    testing::taken("\x08\x07\x3a" + std::string(1, static_cast<char>(contents.size() % 128)) + contents,
                   ExitCode::checkpoint, [](const std::string& c) { parse_model(c, "a.onnx"); });
  }
}

TEST(OnnxProto, ASmallFileCannotAskForManyMessages) {
  std::string nodes;
  for (int i = 0; i < 300'000; ++i) nodes += std::string("\x0a\0", 2);
  ProtoWriter model;
  model.integer(1, 7);
  model.bytes(7, nodes);
  expect_error(ExitCode::checkpoint, {"a.onnx", "more messages than"},
               [&] { parse_model(model.contents(), "a.onnx"); });
}

}  // namespace
}  // namespace espalier::onnx

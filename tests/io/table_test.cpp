// Tables keep their columns straight, also with characters that are not one byte or not one column wide.
#include "framework/io/table.h"

#include <gtest/gtest.h>

#include "tests/support/expect_error.h"

namespace espalier {
namespace {

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("µm – 5 %"), 8U);
  EXPECT_EQ(display_width("e\u0301"), 1U) << "e and a combining accent";
  EXPECT_EQ(display_width("層"), 2U);
  EXPECT_EQ(display_width("😀"), 2U);
  EXPECT_EQ(display_width("\xff\xc3"), 2U) << "bytes that are no UTF-8 are shown as one sign each";
}

TEST(DisplayWidth, CutsBetweenCharacters) {
  EXPECT_EQ(fit_width("abc", 2), "ab");
  EXPECT_EQ(fit_width("µµµ", 2), "µµ");
  EXPECT_EQ(fit_width("層層", 3), "層");
  EXPECT_EQ(fit_width("abc", 9), "abc");
}

TEST(Table, ColumnsAreAligned) {
  Table table({"layer", "weights", "sparsity"});
  table.add({"conv1", "2,400", "61.2 %"});
  table.add({"größe", "116,704", "90.0 %"});
  table.rule();
  table.add({"all"});
  EXPECT_EQ(table.str(),
            "layer  weights  sparsity\n"
            "------------------------\n"
            "conv1    2,400    61.2 %\n"
            "größe  116,704    90.0 %\n"
            "------------------------\n"
            "all\n");
}

TEST(Table, AlignmentHeaderAndIndentCanBeChosen) {
  Table table({"", ""}, {Align::right, Align::left});
  table.add({"a", "checkpoint"});
  table.add({"bcd", "x"});
  EXPECT_EQ(table.str("  "), "    a  checkpoint\n  bcd  x\n");
}

TEST(Table, ARowLongerThanTheHeaderIsOurMistake) {
  Table table({"a"});
  testing::expect_error(ExitCode::internal, {"2 cells"}, [&] { table.add({"1", "2"}); });
}

}  // namespace
}  // namespace espalier

// notices.js: what was wrong with the folders, or left out, before anything is concluded from them.
espalier.section({
  id: 'notices', part: 'happened', title: 'Before you read',
  needs: (data) => data.runs.some((run) => run.notices.length > 0),
  draw(container, data) {
    for (const run of data.runs)
      for (const text of run.notices) espalier.notice(container, data.runs.length > 1 ? `${run.name}: ${text}` : text);
  },
});

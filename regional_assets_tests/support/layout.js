// What is wrong with the page's layout, in words: text that leaves the page or its box, that lies on
// other text, or that is cut.
() => {
  const problems = [];
  const width = document.documentElement.clientWidth;
  const whole = document.documentElement.scrollWidth;
  if (whole > width) problems.push(`the page is ${whole} px wide, the window ${width}`);
  const boxes = "p,li,th,td,dt,dd,h1,h2,h3,figcaption,summary,caption,a,time,svg,body";
  const range = document.createRange();
  const lines = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    const words = node.data.trim().slice(0, 40);
    if (!words || parent.closest(".unseen, .skip, title") || !parent.checkVisibility()) continue;
    const box = parent.closest(boxes).getBoundingClientRect();
    for (let held = parent; held; held = held.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(held);
      const hides = [overflowX, overflowY].some((overflow) => overflow !== "visible");
      if (held.namespaceURI.endsWith("svg")) continue;
      if (hides && (held.scrollWidth > held.clientWidth || held.scrollHeight > held.clientHeight)) {
        problems.push(`"${words}" is cut`);
      }
    }
    range.selectNodeContents(node);
    for (const line of range.getClientRects()) {
      if (line.width < 1) continue;
      if (line.left < 0 || line.right > width) problems.push(`"${words}" leaves the page`);
      if (line.left < box.left - 1 || line.right > box.right + 1) {
        problems.push(`"${words}" leaves its box`);
      }
      lines.push({ words, node, line });
    }
  }
  lines.sort((a, b) => a.line.top - b.line.top);
  lines.forEach((upper, at) => {
    for (let next = at + 1; next < lines.length; next += 1) {
      const lower = lines[next];
      const down = Math.min(upper.line.bottom, lower.line.bottom) - lower.line.top;
      if (down <= 0) break;
      const across =
        Math.min(upper.line.right, lower.line.right) - Math.max(upper.line.left, lower.line.left);
      // The boxes of neighbouring lines may touch where their letters do not.
      if (down > 5 && across > 2) {
        problems.push(`"${upper.words}" and "${lower.words}" lie on one another`);
      }
    }
  });
  return { problems, lines: lines.length };
}

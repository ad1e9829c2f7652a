// A copied formula is its text, h_t = z_t ⊙ h_{t-1} + …: browsers would copy its letters without what binds them.
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  if (selection.isCollapsed) return;
  const copied = document.createElement("div");
  for (let k = 0; k < selection.rangeCount; k++) {
    const range = selection.getRangeAt(k).cloneRange();
    for (const end of ["Start", "End"]) { // half a formula is copied whole
      const node = range[`${end.toLowerCase()}Container`];
      const math = (node.nodeType === 1 ? node : node.parentElement).closest("math");
      if (math) range[`set${end}${end === "Start" ? "Before" : "After"}`](math);
    }
    copied.append(range.cloneContents());
  }
  const formulas = copied.querySelectorAll("math");
  if (!formulas.length) return;
  for (const math of formulas) math.replaceWith(math.getAttribute("alttext"));
  document.body.append(copied); // only what is laid out has lines
  event.clipboardData.setData("text/plain", copied.innerText);
  copied.remove();
  event.preventDefault();
});

// What scrolls in its box can be scrolled by the keyboard, too.
const reachable = () => {
  for (const box of document.querySelectorAll("article pre, article .table-wrapper, article .formula")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
addEventListener("load", reachable);
addEventListener("resize", reachable);

// Measures the page in the frame and writes what it finds, as JSON, to where browser.py looks for it.

const figures = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);

// Relative luminance and contrast of WCAG 2.2.
const luminance = (colour) =>
  colour
    .map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, place) => sum + value * [0.2126, 0.7152, 0.0722][place], 0);
const contrast = (one, other) => {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
};

const box = (node) => node.getBoundingClientRect();

frame.onload = () => {
  const page = frame.contentDocument;
  const all = (selector, within = page) => [...within.querySelectorAll(selector)];
  const style = (node) => frame.contentWindow.getComputedStyle(node);
  const behind = (node) => {
    for (let place = node; place; place = place.parentElement) {
      const colour = figures(style(place).backgroundColor);
      if (colour.length === 3) return colour;
    }
    return [255, 255, 255];
  };
  const stands = (colour, node) => contrast(figures(colour), behind(node));

  const texts = all("body *")
    .filter((node) => !["title", "desc", "script", "style"].includes(node.localName))
    .filter((node) => [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  const colourOfText = (node) => (node.closest("svg") ? style(node).fill : style(node).color);
  const size = (node) => {
    const svg = node.closest("svg");
    return parseFloat(style(node).fontSize) * (svg ? box(svg).width / svg.viewBox.baseVal.width : 1);
  };

  const shapes = all("svg .challenger, svg .champion, svg .better, svg .worse, svg .noise");
  const colourOfShape = (node) => (style(node).stroke === "none" ? style(node).fill : style(node).stroke);
  const sticksOut = (text, svg) =>
    box(text).left < box(svg).left - 1 || box(text).right > box(svg).right + 1 || box(text).bottom > box(svg).bottom + 1;

  const overlaps = (one, other) =>
    one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 1 && other.top < one.bottom - 1;

  result.textContent = JSON.stringify({
    width: page.documentElement.scrollWidth,
    background: style(page.body).backgroundColor,
    headings: all("h1, h2").map((node) => node.textContent),
    figures: all("figure").map((node) => [node.querySelector("h3").textContent, box(node).width, box(node).height]),
    plots: all("svg").map((node) => [box(node).width, box(node).height]),
    drawn: all("svg.plot").map(
      (svg) => all("polyline, rect, circle", svg).filter((node) => box(node).width + box(node).height > 2).length,
    ),
    outside: all("svg.plot").flatMap((svg) =>
      all("text", svg)
        .filter((text) => sticksOut(text, svg))
        .map((text) => text.textContent),
    ),
    overlapping: all("svg.plot").flatMap((svg) => {
      // The box of a rotated text says nothing of where it is.
      const labels = all("text", svg).filter((text) => !/rotate/.test(text.getAttribute("transform")));
      return labels.flatMap((one, place) =>
        labels
          .slice(place + 1)
          .filter((other) => overlaps(box(one), box(other)))
          .map((other) => `${one.textContent} and ${other.textContent}`),
      );
    }),
    text: Math.min(...texts.map((node) => stands(colourOfText(node), node))),
    lines: Math.min(...shapes.map((node) => stands(colourOfShape(node), node))),
    smallest: Math.min(...texts.map(size)),
  });
};

frame.srcdoc = CONTENT;

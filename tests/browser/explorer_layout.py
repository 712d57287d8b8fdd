"""What is wrong with how an Explorer looks: texts that overlap, are cut off, stick out, or hardly stand out."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator

from tests.browser.explorer_page import FRAMES

# Every text that is to be seen: its words, its box (less the air of its line), and whether something cuts it off.
TEXTS = """(root) => {
    const found = [];
    const within = root.getBoundingClientRect();
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    const inside = (box, other) => box.left >= other.left - 1.5 && box.right <= other.right + 1.5;
    const scrolledAway = (box, home) => {
        for (let up = home; up !== root; up = up.parentElement) {
            const all = up.getBoundingClientRect();
            const outside = box.top < all.top - 1 || box.bottom > all.bottom + 1;
            if (getComputedStyle(up).overflowY !== "visible" && outside) return true;
        }
        const lines = home.closest("thead") === null && home.closest(".cnnlab-lines"); // under their sticky head
        return Boolean(lines) && box.top < lines.getBoundingClientRect().top + 22;
    };
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const home = node.parentElement;
        if (!node.data.trim() || home.closest(".cnnlab-live, .cnnlab-tip, option, script, style")) continue;
        if (!home.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const svg = home.closest("svg");
        for (const box of range.getClientRects()) {
            if (box.width < 1 || scrolledAway(box, home)) continue;
            if (within.width < 600 && home.closest(".cnnlab-scroll, .cnnlab-lines")) continue; // tables scroll
            let cut = !inside(box, within) ? "the Explorer" : "";
            if (svg) {
                const all = svg.getBoundingClientRect();
                if (!inside(box, all) || box.top < all.top - 1.5 || box.bottom > all.bottom + 1.5) cut = "its picture";
            }
            for (let up = home; up !== root && !cut; up = up.parentElement)
                if (getComputedStyle(up).overflowX !== "visible" && up.clientWidth)
                    if (!inside(box, up.getBoundingClientRect()))
                        cut = up.className.baseVal ?? up.className ?? up.tagName;
            const air = svg ? 1.5 : -0.25; // of pictures' texts, on either side
            const [top, bottom] = [box.top + 0.22 * box.height, box.bottom - 0.25 * box.height];
            found.push({ text: node.data.trim(), cut, box: [box.left - air, top, box.right + air, bottom] });
        }
    }
    const canvas = document.createElement("canvas").getContext("2d");
    for (const menu of root.querySelectorAll("select")) {
        if (!menu.checkVisibility() || !menu.selectedOptions.length) continue;
        const style = getComputedStyle(menu);
        canvas.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
        const room = menu.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) - 16;
        const text = menu.selectedOptions[0].textContent;
        if (canvas.measureText(text).width <= room + 3) continue;
        found.push({ text, cut: `the menu ${menu.dataset.control}`, box: null });
    }
    return found;
}"""

# How much each text stands out from what is behind it, and each mark from the page (the ratio of WCAG).
CONTRAST = """(root) => {
    const parse = (text) => {
        const share = text.startsWith("color(srgb") ? 255 : 1;
        const words = text.replace(/^color\\(srgb/, "").match(/[\\d.e-]+%?/g);
        const n = words.map((v) => parseFloat(v) / (v.endsWith("%") ? 100 : 1));
        return [...n.slice(0, 3).map((v) => v * share), n[3] ?? 1];
    };
    const over = ([r, g, b, a], under) => [r, g, b].map((v, i) => v * a + under[i] * (1 - a));
    const linear = (c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const light = (rgb) => rgb.map((v) => linear(v / 255))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (el) => {
        const layers = [];
        for (let up = el; up; up = up.parentElement) layers.unshift(parse(getComputedStyle(up).backgroundColor));
        return layers.reduce((under, layer) => over(layer, under), [255, 255, 255]);
    };
    const ratio = (colour, el) => {
        const back = behind(el);
        const [a, b] = [light(over(colour, back)), light(back)];
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    };
    const own = (el) => [...el.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    const seen = (el) => el.checkVisibility({ visibilityProperty: true })
        && !el.closest("button:disabled, .cnnlab-live, .cnnlab-tip");
    const paint = (el) => (el.namespaceURI.endsWith("svg") ? getComputedStyle(el).fill : getComputedStyle(el).color);
    const texts = [...root.querySelectorAll("*")].filter((el) => seen(el) && own(el) && el.tagName !== "OPTION");
    const marks = [...root.querySelectorAll(".cnnlab-legend .point, rect.macs, rect.params, .slab")].filter(seen);
    const name = (el) => el.textContent || el.getAttribute("class");
    const faint = (all, least) => all.map((el) => [ratio(parse(paint(el)), el), name(el)])
        .filter(([x]) => x < least).map(([x, what]) => `${what.slice(0, 40)}: ${x.toFixed(2)}`);
    return [...faint(texts, 4.5), ...faint(marks, 2)];
}"""


def clash(a: list[float], b: list[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] + 0.5 < b[3] and b[1] + 0.5 < a[3]


def flaws(view: Locator) -> list[str]:
    """What is cut off, overlaps or sticks out."""
    view.page.evaluate(FRAMES)
    texts: list[dict[str, Any]] = view.evaluate(TEXTS)
    found = [f"{each['text']!r} is cut off by {each['cut']}" for each in texts if each["cut"]]
    boxes = sorted((each for each in texts if each["box"]), key=lambda each: each["box"][0])
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            if other["box"][0] > one["box"][2]:
                break
            if clash(one["box"], other["box"]):
                found.append(f"{one['text']!r} overlaps {other['text']!r}")
    out = view.evaluate("(el) => el.scrollWidth - el.clientWidth")
    return [*found, *([f"{out} px stick out"] if out > 0 else [])]


def faint(view: Locator) -> list[str]:
    """Texts whose contrast is below 4.5, marks below 2."""
    found: list[str] = view.evaluate(CONTRAST)
    return found

// Hides an element or shows it.  If it had the focus, the first visible one of the others gets it: the keyboard would
// start again at the top of the page.
export function setHidden(element, hidden, others) {
  const focused = element === document.activeElement;
  element.hidden = hidden;
  if (focused && hidden) others.find(other => other.checkVisibility())?.focus();
}

'use strict';
{
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  root.classList.add('scripted');

  // Dark or light: as the system has it, until somebody says otherwise. A page from a file may have no
  // memory; then it is asked for again.
  const remember = (value) => { try { localStorage.setItem('theme', value); } catch { /* no memory */ } };
  const remembered = () => { try { return localStorage.getItem('theme'); } catch { return null; } };
  const wish = new URLSearchParams(location.search).get('theme') ?? remembered();
  if (wish === 'dark' || wish === 'light') root.dataset.theme = wish;
  const isDark = () => root.dataset.theme
    ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  const turn = () => { root.dataset.theme = isDark() ? 'light' : 'dark'; remember(root.dataset.theme); };
  one('#theme').addEventListener('click', turn);

  // What can be found: events, services, and fields.
  const text = (node) => node?.textContent.trim() ?? '';
  const findable = [
    ...all('article > h3').map((it) => ({
      id: it.id, name: it.id.replace(/^service-/, ''), about: text(one('.sentence', it.parentElement)), weight: 0,
    })),
    ...all('.fields tr[id]').map((it) => ({
      id: it.id, name: it.id, about: text(one('p', it)), weight: 1,
    })),
  ];
  const find = (words) => {
    const score = (it) => {
      const [name, about] = [it.name.toLowerCase(), it.about.toLowerCase()];
      const last = name.slice(name.lastIndexOf('.') + 1);
      if (!words.every((word) => name.includes(word) || about.includes(word))) return null;
      const by = words.map((word) => last === word ? 0 : last.startsWith(word) ? 1 : name.includes(word) ? 2 : 4);
      return Math.max(...by) * 2 + it.weight;
    };
    return findable.map((it) => [score(it), it]).filter(([score]) => score !== null)
      .sort(([a, x], [b, y]) => a - b || x.name.length - y.name.length).slice(0, 30).map(([, it]) => it);
  };

  const [input, list] = [one('#find'), one('#found')];
  let chosen = 0;
  const choose = (at) => {
    const items = all('li[role=option]', list);
    if (!items.length) return input.removeAttribute('aria-activedescendant');
    chosen = (at + items.length) % items.length;
    items.forEach((item, at) => item.setAttribute('aria-selected', String(at === chosen)));
    input.setAttribute('aria-activedescendant', items[chosen].id);
    items[chosen].scrollIntoView({ block: 'nearest' });
  };
  const close = () => { list.hidden = true; input.setAttribute('aria-expanded', 'false'); input.removeAttribute('aria-activedescendant'); };
  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return close();
    const found = find(words);
    list.replaceChildren(...found.map((it, at) => {
      const item = document.createElement('li');
      item.id = `found-${at}`;
      item.setAttribute('role', 'option');
      item.dataset.to = it.id;
      const about = document.createElement('small');
      about.textContent = it.about;
      item.append(it.name, about);
      return item;
    }));
    if (!found.length) {
      const item = document.createElement('li');
      item.textContent = 'Nothing has this name.';
      list.append(item);
    }
    list.hidden = false;
    input.setAttribute('aria-expanded', 'true');
    choose(0);
  };
  const go = (id) => {
    close();
    location.hash = encodeURIComponent(id);
    const target = document.getElementById(id);
    target?.scrollIntoView();
    target?.focus({ preventScroll: true });
  };
  input.addEventListener('input', show);
  input.addEventListener('focus', show);
  input.addEventListener('blur', () => setTimeout(close, 150));
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown') choose(chosen + 1);
    else if (event.key === 'ArrowUp') choose(chosen - 1);
    else if (event.key === 'Escape') { input.value = ''; close(); input.blur(); }
    else return;
    event.preventDefault();
  });
  input.form.addEventListener('submit', (event) => {
    event.preventDefault();
    const item = all('li[role=option]', list)[chosen];
    if (item) go(item.dataset.to);
  });
  list.addEventListener('mousedown', (event) => {
    const item = event.target.closest('[data-to]');
    if (item) go(item.dataset.to);
  });

  // If this went, who breaks?
  const impacts = JSON.parse(one('#impacts').textContent);
  const [gone, verdict, verdicts] = [one('#gone'), one('#verdict'), one('#verdicts')];
  const services = all('li', verdicts);
  const words = { b: 'breaks', a: 'is affected', u: 'does not notice' };
  const answer = () => {
    const impact = impacts[gone.value];
    verdicts.hidden = !impact;
    if (!impact) { verdict.textContent = 'Nothing is chosen.'; return; }
    const hit = { b: [], a: [], u: [] };
    for (const item of services) {
      const [how, why] = impact.services[item.dataset.service];
      hit[how].push(item.dataset.service);
      item.dataset.hit = how;
      const word = document.createElement('b');
      word.textContent = words[how];
      one('.verdict', item).replaceChildren(word, `. ${why}`);
    }
    for (const how of ['b', 'a', 'u']) verdicts.append(...services.filter((item) => item.dataset.hit === how));
    const what = gone.selectedOptions[0].textContent.trim().replace('all of ', '');
    const broken = document.createElement('em');
    broken.textContent = hit.b.length ? `${hit.b.join(', ').replace(/, ([^,]*)$/, ' and $1')} would break` : '';
    verdict.replaceChildren(`Without ${what}, `, broken, hit.b.length ? '. ' : 'nobody would break. ',
      impact.refused ? 'The registry refuses it: old readers could not read the next version.' : '');
  };
  gone.addEventListener('change', answer);
  gone.form.addEventListener('submit', (event) => event.preventDefault());
  const ask = (id) => { if (impacts[id]) { gone.value = id; answer(); } one('#what-if').scrollIntoView(); gone.focus({ preventScroll: true }); };
  document.addEventListener('click', (event) => {
    const link = event.target.closest('[data-ask]');
    if (link) { event.preventDefault(); ask(link.dataset.ask); }
  });

  // Where one is: marked beside the page.
  const articles = all('article');
  const head = (article) => one('h3', article);
  const links = new Map(all('.contents li a').map((it) => [it.getAttribute('href').slice(1), it]));
  const at = () => {
    const top = 120;
    return articles.findLastIndex((it) => it.getBoundingClientRect().top <= top);
  };
  const mark = () => {
    for (const link of links.values()) link.removeAttribute('aria-current');
    const here = at();
    if (here >= 0) links.get(head(articles[here]).id)?.setAttribute('aria-current', 'true');
  };
  let waiting = false;
  addEventListener('scroll', () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; mark(); });
  }, { passive: true });

  const step = (by) => {
    const article = articles[Math.min(Math.max(at() + by, 0), articles.length - 1)];
    head(article).scrollIntoView();
    head(article).focus({ preventScroll: true });
  };
  const help = one('#help');
  one('#ask').addEventListener('click', () => help.showModal());
  const keys = {
    '/': () => { input.focus(); input.select(); },
    j: () => step(1),
    k: () => step(-1),
    t: turn,
    w: () => { const here = at(); ask(here >= 0 ? head(articles[here]).id : ''); },
    '?': () => help.showModal(),
    Enter: () => {
      const example = document.activeElement.tagName === 'H3' && one('.example', document.activeElement.parentElement);
      if (example) example.open = !example.open;
      return Boolean(example);
    },
  };
  document.addEventListener('keydown', (event) => {
    const busy = help.open || event.ctrlKey || event.metaKey || event.altKey
      || event.target.closest?.('input, select, textarea');
    if (busy || !keys[event.key]) return;
    if (keys[event.key]() !== false) event.preventDefault();
  });

  // A link to a field or an event, also to one within what is closed.
  const arrive = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    target?.closest('details')?.setAttribute('open', '');
    target?.scrollIntoView();
    mark();
  };
  addEventListener('hashchange', arrive);
  arrive();
}

// A person with a browser: opens the page that hoopctl printed, enters the code, signs in
// and approves. One JSON object in by stdin, one out by stdout.
//
// in:  {page, code, gateway, host, choice, user?, password?, script, dark, shots?}
// out: {text, problems: [...], headers: [...], cookies: [...]}
const { chromium } = require('playwright-core');

const wanted = {
  'content-security-policy': /default-src 'none'.*form-action 'self'.*frame-ancestors 'none'/,
  'x-content-type-options': /^nosniff$/,
  'x-frame-options': /^DENY$/,
  'referrer-policy': /^same-origin$/,
  'cross-origin-opener-policy': /^same-origin$/,
  'cache-control': /no-store/,
};

async function main() {
  const chunks = [];
  for await (const c of process.stdin) chunks.push(c);
  const o = JSON.parse(Buffer.concat(chunks).toString());
  const problems = [];
  const headers = [];
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, javaScriptEnabled: o.script, colorScheme: o.dark ? 'dark' : 'light', viewport: { width: o.narrow ? 360 : 900, height: 720 },
  });
  context.setDefaultTimeout(60000);
  const page = await context.newPage();
  // Chromium reports answers of 4xx; that to a wrong code is one.
  const expected = (m) => /favicon/.test(m.location().url || '') || o.wrong && /status of 404/.test(m.text());
  const ours = (url) => url.startsWith(o.gateway + '/');
  page.on('pageerror', (e) => { if (ours(page.url())) problems.push('page error: ' + e.message); });
  page.on('console', (m) => {
    if (['error', 'warning'].includes(m.type()) && ours(m.location().url || page.url()) && !expected(m)) problems.push('console: ' + m.text());
  });
  page.on('requestfailed', (r) => { if (ours(r.url())) problems.push('request failed: ' + r.url() + ' ' + r.failure().errorText); });
  page.on('response', (r) => {
    if (!ours(r.url()) || /favicon/.test(r.url())) return;
    const h = r.headers();
    headers.push(r.request().method() + ' ' + new URL(r.url()).pathname + ' ' + r.status());
    for (const [name, re] of Object.entries(wanted)) {
      if (!re.test(h[name] || '')) problems.push(new URL(r.url()).pathname + ': header ' + name + ': ' + h[name]);
    }
  });
  let n = 0;
  const shot = async (name) => { if (o.shots) await page.screenshot({ path: `${o.shots}-${++n}-${name}.png` }); };
  const wide = async () => { // nothing may stick out to the side
    if (o.script && await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)) problems.push(page.url() + ': wider than the window');
  };

  await page.goto(o.page);
  await shot('code');
  await wide();
  if (o.wrong) {
    await page.fill('#user_code', o.wrong);
    await page.click('button.primary');
    const said = await page.textContent('[role=alert]');
    if (!/unknown/.test(said)) problems.push('a wrong code: ' + said);
    await shot('wrong');
  }
  await page.fill('#user_code', o.code);
  await page.click('button.primary');
  await page.waitForSelector('text=To continue with code');
  await shot('signin');
  await wide();
  await page.click(o.choice);
  if (o.user) {
    await page.fill('input[name=username]', o.user);
    await page.fill('input[name=password]', o.password);
    await shot('provider');
    await page.press('input[name=password]', 'Enter');
  }
  await page.waitForSelector('text=Approve this sign-in?');
  await shot('confirm');
  await wide();
  const shown = await page.textContent('dd.code');
  if (shown !== o.code) problems.push(`the page asks about ${shown}, the terminal says ${o.code}`);
  if (!(await page.textContent('dl')).includes(o.host)) problems.push(`the page does not say that ${o.host} asks`);
  await page.click('button[value=approve]');
  await page.waitForSelector('[role=status]');
  await shot('done');
  const cookies = (await context.cookies()).filter((c) => c.name.startsWith('__Host-'))
    .map((c) => `${c.name} ${c.secure ? 'secure' : ''} ${c.httpOnly ? 'httponly' : ''} ${c.sameSite}`);
  const text = await page.textContent('main');
  await browser.close();
  process.stdout.write(JSON.stringify({ text, problems, headers, cookies }));
}

main().catch((e) => { console.error(e); process.exit(1); });

// Writes vectors.json beside this file: what Arweave's own tools make of the same inputs.
//
//     npm install --ignore-scripts arweave@1.15.7 @dha-team/arbundles axios
//     node vectors.mjs wallet.json       (an RSA key in JWK form, for instance Wallet.create().write)

import Arweave from 'arweave/node/index.js';
import deepHashMod from 'arweave/node/lib/deepHash.js';
import * as merkle from 'arweave/node/lib/merkle.js';
import { createHash } from 'crypto';
import { readFileSync, writeFileSync } from 'fs';
import { createData, EthereumSigner, bundleAndSignData, DataItem } from '@dha-team/arbundles';
const A = (Arweave.default||Arweave);
const arweave = (A.init?A:A.default).init({host:'localhost'});
const deepHash = deepHashMod.default || deepHashMod;
const stream = (n) => { const out=Buffer.alloc(n); let at=0,c=0; while(at<n){ const h=createHash('sha256').update(String(c++)).digest(); h.copy(out,at,0,Math.min(32,n-at)); at+=32;} return new Uint8Array(out); };
const b = (x)=>Buffer.from(x).toString('hex');
const K=1024;
const out={};
const utf=(s)=>new TextEncoder().encode(s);
out.deep_hash=[
  {node:'', hash:b(await deepHash(utf('')))},
  {node:['a',['b','c'],[]], hash:b(await deepHash([utf('a'),[utf('b'),utf('c')],[]]))},
  {node:[], hash:b(await deepHash([]))},
];
const sizes=[1,100,32*K-1,32*K,32*K+1,256*K-1,256*K,256*K+1,256*K+32*K-1,256*K+32*K,256*K+32*K+1,512*K-1,512*K,512*K+1,512*K+31*K,3*256*K,3*256*K+5,1024*K+1,5*256*K+100*K,7*256*K+32*K-1];
out.data_roots=[];
for (const s of sizes){ const c=await merkle.generateTransactionChunks(stream(s)); 
 out.data_roots.push({size:s, root:b(c.data_root), chunks:c.proofs.length, proofs: createHash('sha256').update(Buffer.concat(c.proofs.map(p=>Buffer.from(p.proof)))).digest('hex'), offsets:c.proofs.map(p=>p.offset)}); }
const jwk=JSON.parse(readFileSync(process.argv[2]));
const tx=await arweave.createTransaction({data:stream(300*K), last_tx:Buffer.alloc(48,7).toString('base64url'), reward:'12345'}, jwk);
tx.addTag('Content-Type','application/json'); tx.addTag('Name','größe');
await arweave.transactions.sign(tx,jwk);
const j=tx.toJSON(); delete j.data; delete j.chunks; out.transaction=j; out.address=await arweave.wallets.jwkToAddress(jwk);
const signer=new EthereumSigner('11'.repeat(32));
const items=[];
for (const [data,opts] of [['{"hello":"world"}',{tags:[{name:'Content-Type',value:'application/json'},{name:'Größe',value:'klein'}]}],['',{}],['x'.repeat(70000),{tags:[{name:'n',value:'v'.repeat(300)}],anchor:'A'.repeat(32),target:Buffer.alloc(32,9).toString('base64url')}]]){
  const it=createData(data,signer,opts); await it.sign(signer); 
  if(!await it.isValid()) throw 1;
  items.push({data:data.length>100?{repeat:data[0],times:data.length}:data, tags:opts.tags||[], anchor:opts.anchor||'', target:opts.target?b(Buffer.from(opts.target,'base64url')):'', id:it.id, sha256:createHash('sha256').update(it.getRaw()).digest('hex'), raw: data.length>100?undefined:b(it.getRaw())});
}
out.items=items;
const di=[createData('one',signer,{}),createData('two',signer,{tags:[{name:'a',value:'b'}]})];
const bun=await bundleAndSignData(di,signer); out.bundle=b(bun.getRaw());
writeFileSync('vectors.json',JSON.stringify(out,null,1)+'\n');

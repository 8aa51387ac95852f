# Three layers, what is in each, and the union of them: there a file's content is its layer's name.
mkdir layer-1 layer-2 upper work union
for name in app hosts tmp; do echo layer-1 >layer-1/$name; done
for name in hosts motd; do echo layer-2 >layer-2/$name; done
mount -t overlay overlay -o lowerdir=layer-2:layer-1,upperdir=upper,workdir=work union
for name in motd new; do echo upper >union/$name; done
rm union/tmp
for layer in upper layer-2 layer-1; do
    for file in $layer/*; do
        kind=file
        test -c $file && kind=whiteout
        echo $layer ${file#*/} $kind
    done
done
for file in union/*; do echo union ${file#*/} $(cat $file); done
umount union
